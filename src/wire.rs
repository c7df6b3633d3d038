//! The wire form of a mail: one JSON object, for sockets, files and logs.
//!
//! ```
//! use polycephaly::prelude::*;
//!
//! let text = r#"{ "sender": "ground", "subject": "speed", "body": { "json": 0.5 } }"#;
//! let mail = Mail::from_json(text)?;
//! assert_eq!((mail.sender().to_string(), mail.subject()), ("ground".into(), "speed"));
//! assert_eq!(Mail::from_json(mail.to_json()?)?.to_json()?, mail.to_json()?);
//! # Ok::<(), polycephaly::wire::WireError>(())
//! ```

use crate::body::Body;
use crate::id;
use crate::mail::{Extras, Failure, Flags, Mail};
use crate::party::Party;
use crate::subject::Subject;
use serde::de::{Error as _, Unexpected};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value as Json};
use std::borrow::Cow;
use std::fmt::Write;
use uuid::Uuid;

/// A mail can't be written as JSON, or a JSON text is no mail.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// The body is a typed value, which only this OS process understands.
    #[error("mail {subject:?} carries a {type_name}, which has no wire form: send text, JSON or bytes over a wire")]
    Typed {
        /// What the mail is about.
        subject: String,
        /// The type of the body.
        type_name: &'static str,
    },
    /// The text is no mail. The error shows line and column, and what was expected there.
    #[error("this is no mail: {0}")]
    Parse(#[source] serde_json::Error),
}

/// The JSON object. What is left out of it is empty, 0 or false.
#[derive(Serialize, Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Wire<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thread: Option<Uuid>,
    index: u32,
    time_ns: u64,
    utc_ns: u64,
    sender: Option<String>,
    recipient: Option<String>,
    subject: Cow<'a, str>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    headers: Map<String, Json>,
    priority: i8,
    urgent: bool,
    question: bool,
    reply: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    relayed_by: Vec<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed: Option<WireFailure<'a>>,
    body: WireBody<'a>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireFailure<'a> {
    recipient: Cow<'a, str>,
    reason: Cow<'a, str>,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
enum WireBody<'a> {
    #[default]
    Empty,
    Text(Cow<'a, str>),
    Json(Cow<'a, Json>),
    Bytes(Hex<'a>),
}

/// Bytes as two hexadecimal digits each.
struct Hex<'a>(Cow<'a, [u8]>);

impl Serialize for Hex<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut digits = String::with_capacity(self.0.len() * 2);
        for byte in &*self.0 {
            // Writing to a String can't fail.
            let _ = write!(digits, "{byte:02x}");
        }
        serializer.serialize_str(&digits)
    }
}

impl<'de> Deserialize<'de> for Hex<'_> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let digits = String::deserialize(deserializer)?;
        let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
        let value = |digit: u8| char::from(digit).to_digit(16).map(|value| value as u8);
        let bytes =
            pairs.iter().map(|[high, low]| Some(value(*high)? << 4 | value(*low)?)).collect::<Option<Vec<u8>>>();
        match bytes {
            Some(bytes) if rest.is_empty() => Ok(Self(bytes.into())),
            _ => Err(D::Error::invalid_value(Unexpected::Str(&digits), &"an even number of hexadecimal digits")),
        }
    }
}

impl<'a> WireBody<'a> {
    fn of(body: &'a Body) -> Option<Self> {
        if body.is_empty() {
            Some(Self::Empty)
        } else if let Some(text) = body.as_text() {
            Some(Self::Text(text.into()))
        } else if let Some(json) = body.as_json() {
            Some(Self::Json(Cow::Borrowed(json)))
        } else {
            body.as_bytes().map(|bytes| Self::Bytes(Hex(bytes.into())))
        }
    }

    fn into_body(self) -> Body {
        match self {
            Self::Empty => Body::default(),
            Self::Text(text) => Body::new(text.into_owned()),
            Self::Json(json) => Body::new(json.into_owned()),
            Self::Bytes(hex) => Body::new(hex.0.into_owned()),
        }
    }
}

impl Mail {
    /// The wire form: one JSON object on one line. Of several headers of one name the last is kept.
    ///
    /// # Errors
    ///
    /// If the body is a typed value.
    pub fn to_json(&self) -> Result<String, WireError> {
        let typed = || WireError::Typed { subject: self.subject().to_owned(), type_name: self.body.type_name() };
        let name = |name: &crate::mail::Name<'_>| name.is_known().then(|| name.to_string());
        let wire = Wire {
            id: Some(self.id()),
            thread: Some(self.thread()),
            index: self.index,
            time_ns: self.time,
            utc_ns: self.utc,
            sender: name(&self.sender()),
            recipient: name(&self.recipient()),
            subject: self.subject().into(),
            headers: self.headers().map(|(name, value)| (name.to_owned(), value.clone())).collect(),
            priority: self.priority,
            urgent: self.is_urgent(),
            question: self.is_question(),
            reply: self.is_reply(),
            relayed_by: self.relayed_by().map(Cow::Borrowed).collect(),
            failed: self.failed().map(|failure| WireFailure {
                recipient: Cow::Borrowed(&failure.recipient),
                reason: Cow::Borrowed(&failure.reason),
            }),
            body: WireBody::of(&self.body).ok_or_else(typed)?,
        };
        serde_json::to_string(&wire).map_err(WireError::Parse)
    }

    /// A mail from its wire form. Its sender is but a name, whatever process bears that name here; and it answers no
    /// question of a process here, for only processes do.
    ///
    /// # Errors
    ///
    /// If the text is no JSON object of this form. The error shows the place.
    pub fn from_json(text: impl AsRef<[u8]>) -> Result<Self, WireError> {
        let wire: Wire<'_> = serde_json::from_slice(text.as_ref()).map_err(WireError::Parse)?;
        Ok(wire.into_mail())
    }
}

impl Wire<'_> {
    fn into_mail(self) -> Mail {
        let flag = |set: bool, flag| if set { flag } else { Flags::default() };
        let flags = flag(self.urgent, Flags::URGENT)
            .with(flag(self.question, Flags::QUESTION))
            .with(flag(self.reply, Flags::REPLY));
        let foreign = |uuid: Option<Uuid>| uuid.filter(|uuid| id::from_uuid(*uuid).is_none());
        let thread = self.thread.or(self.id);
        let (subject, owned) = Subject::from(self.subject.into_owned()).into_parts();
        let extras = Extras {
            headers: self.headers.into_iter().map(|(name, value)| (name.into(), value)).collect(),
            subject: owned,
            sender: self.sender.map(Into::into),
            recipient: self.recipient.map(Into::into),
            relayed_by: self.relayed_by.into_iter().map(|name| name.into_owned().into()).collect(),
            failed: self.failed.map(|failure| Failure {
                recipient: failure.recipient.into_owned(),
                reason: failure.reason.into_owned().into(),
            }),
            foreign_id: foreign(self.id),
            foreign_thread: foreign(thread),
        };
        Mail {
            body: self.body.into_body(),
            id: self.id.map_or(0, id::number),
            thread: thread.map_or(0, id::number),
            time: self.time_ns,
            utc: self.utc_ns,
            sender: Party::NOBODY,
            recipient: Party::NOBODY,
            subject,
            extras: Some(Box::new(extras)),
            index: self.index,
            priority: self.priority,
            flags,
        }
    }
}
