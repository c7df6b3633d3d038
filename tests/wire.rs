//! The JSON wire form of mail: any bytes give a mail or an error that names the place; nothing panics.

use polycephaly::body::Body;
use polycephaly::mail::Mail;
use proptest::prelude::*;
use serde_json::{Value, json};

/// A wire form with everything in it.
fn full(subject: &str, body: &Value, header: &Value, index: u32) -> Value {
    json!({
        "id": "67e55044-10b1-426f-9247-bb680e5fe0c8", "thread": "67e55044-10b1-426f-9247-bb680e5fe0c9", "index": index,
        "time_ns": 1_500_000_000_u64, "utc_ns": 1_700_000_000_000_000_000_u64, "sender": "Imu", "recipient": "control",
        "subject": subject, "headers": { "Crew": header }, "priority": -3, "urgent": true, "question": true, "reply": true,
        "relayed_by": ["a", "b"], "failed": { "recipient": "c", "reason": "full" }, "body": body,
    })
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(".{0,4}", inner, 0..4).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

fn body() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!("empty")),
        ".{0,40}".prop_map(|text| json!({ "text": text })),
        json_value().prop_map(|value| json!({ "json": value })),
        "([0-9a-f]{2}){0,20}".prop_map(|hex| json!({ "bytes": hex })),
    ]
}

#[test]
fn everything_is_read() {
    let wire = full("pose", &json!({ "bytes": "00ff10" }), &json!("red"), 2).to_string();
    let mail = Mail::from_json(&wire).unwrap();
    assert_eq!(mail.id().to_string(), "67e55044-10b1-426f-9247-bb680e5fe0c8");
    assert_eq!(mail.thread().to_string(), "67e55044-10b1-426f-9247-bb680e5fe0c9");
    assert!(mail.sender() == "imu" && mail.recipient() == "Control" && mail.sender().address().is_none());
    assert_eq!((mail.subject(), mail.index(), mail.priority()), ("pose", 2, -3));
    assert_eq!(mail.body().as_bytes(), Some(&[0, 255, 16][..]));
    assert_eq!(mail.header("crew"), Some(&json!("red")));
    assert_eq!(mail.relayed_by().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(mail.failed().unwrap().reason, "full");
    assert!(mail.is_urgent() && mail.is_question() && mail.is_reply());
    assert_eq!(mail.time().as_millis(), 1500);
}

#[test]
fn little_is_enough() {
    let mail = Mail::from_json(r#"{"subject":"hello"}"#).unwrap();
    assert_eq!(mail.subject(), "hello");
    assert!(mail.body().is_empty() && mail.sender() == "(unknown)");
    assert_eq!(mail.to_string(), r#"(unknown) -> (unknown) "hello" #0 at 0ns: (empty)"#);
}

#[test]
fn errors_name_the_place() {
    let cases = [
        ("", "line 1 column 0"),
        (r#"{"subject": 5}"#, "integer `5`, expected a string at line 1 column 13"),
        ("{\n \"index\": -1}", "line 2"),
        (r#"{"body": {"bytes": "abc"}}"#, "hexadecimal digits at line 1"),
        (r#"{"body": {"bytes": "ag"}}"#, "hexadecimal digits at line 1"),
        (r#"{"body": {"typed": 1}}"#, "unknown variant `typed`"),
        (r#"{"subjekt": ""}"#, "unknown field `subjekt`"),
        (r#"{"id": "no uuid"}"#, "line 1"),
        (r#"{"utc_ns": 1e30}"#, "line 1"),
        (r#"{} {}"#, "trailing characters"),
    ];
    for (wire, place) in cases {
        let error = Mail::from_json(wire).expect_err(wire).to_string();
        assert!(error.contains(place), "{wire}: {error}");
    }
    let deep = format!(r#"{{"body":{{"json":{}"#, "[".repeat(100_000));
    assert!(Mail::from_json(deep).unwrap_err().to_string().contains("recursion limit"));
}

proptest! {
    #[test]
    fn a_mail_comes_back_as_it_went(subject in ".{0,20}", body in body(), header in json_value(), index: u32) {
        let wire = full(&subject, &body, &header, index);
        let mail = Mail::from_json(wire.to_string()).unwrap();
        prop_assert_eq!(mail.subject(), subject);
        let again: Value = serde_json::from_str(&mail.to_json().unwrap()).unwrap();
        prop_assert_eq!(again, wire);
        let _ = mail.to_string();
    }

    #[test]
    fn any_bytes_give_a_mail_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Err(error) = Mail::from_json(&bytes) {
            prop_assert!(error.to_string().contains("line"), "{}", error);
        }
    }

    #[test]
    fn a_mutated_mail_gives_a_mail_or_an_error(
        body in body(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..6),
    ) {
        let mut bytes = full("pose", &body, &json!(1), 7).to_string().into_bytes();
        for (at, byte, how) in changes {
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
        }
        match Mail::from_json(&bytes) {
            Ok(mail) => prop_assert!(Mail::from_json(mail.to_json().unwrap()).is_ok()),
            Err(error) => prop_assert!(error.to_string().contains("line"), "{}", error),
        }
    }

    #[test]
    fn any_body_can_be_shown(text in ".{0,200}") {
        let shown = Body::new(text.clone()).to_string();
        prop_assert!(shown == text || shown.ends_with("bytes)"));
    }
}
