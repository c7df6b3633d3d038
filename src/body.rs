//! What a mail carries.

mod inline;

use inline::Value;
use serde_json::Value as Json;
use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// What a mail carries: nothing, text, JSON, bytes, or one value of any other type.
///
/// Up to 16 bytes stand in place and cost no allocation: numbers, small structs, `&'static str`, `Arc<[u8]>`.
///
/// ```
/// use polycephaly::body::Body;
///
/// assert_eq!(Body::new("hello").as_text(), Some("hello"));
/// assert_eq!(Body::new(0.5_f64).get(), Some(&0.5_f64));
/// assert!(Body::default().is_empty());
/// ```
pub struct Body(Value);

/// One body in the hands of many.
#[derive(Clone)]
struct Shared(Arc<Body>);

/// A type whose value can be looked at as text, or as bytes.
macro_rules! look_as {
    ($body:expr, $($held:ty),+) => {
        $(if let Some(held) = $body.get::<$held>() { Some(&**held) } else)+ { None }
    };
}

impl Body {
    /// A body of `value`. Text is what is given as `&'static str`, `String`, `Box<str>`, `Arc<str>` or `Cow<'static, str>`;
    /// JSON is a [`serde_json::Value`]; bytes are `&'static [u8]`, `Vec<u8>`, `Box<[u8]>` or `Arc<[u8]>`; `()` is empty;
    /// anything else is typed.
    #[inline(always)]
    #[must_use]
    pub fn new<T: Any + Send + Sync>(value: T) -> Self {
        Self(Value::new(value))
    }

    /// Whether its value stands in place and has nothing to give back.
    #[inline(always)]
    pub(crate) fn needs_no_drop(&self) -> bool {
        self.0.needs_no_drop()
    }

    /// Whether it carries nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.is::<()>()
    }

    /// Whether it carries a `T`.
    #[inline]
    #[must_use]
    pub fn is<T: Any>(&self) -> bool {
        self.get::<T>().is_some()
    }

    /// The value, if it is a `T`: exactly that type, so `get::<f32>()` finds no `f64`.
    #[inline]
    #[must_use]
    pub fn get<T: Any>(&self) -> Option<&T> {
        self.0.get().or_else(|| self.0.get::<Shared>()?.0.0.get())
    }

    /// Takes the value out.
    ///
    /// # Errors
    ///
    /// The body itself, if it carries no `T`, or is shared with other recipients.
    pub fn into<T: Any>(self) -> Result<T, Self> {
        match self.0.into::<Shared>() {
            Ok(shared) => match Arc::try_unwrap(shared.0) {
                Ok(body) => body.0.into().map_err(Self),
                Err(shared) => Err(Self::new(Shared(shared))),
            },
            Err(value) => value.into().map_err(Self),
        }
    }

    /// The text, if it carries text.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        look_as!(self, &'static str, String, Box<str>, Arc<str>, Cow<'static, str>)
    }

    /// The JSON value, if it carries JSON.
    #[must_use]
    pub fn as_json(&self) -> Option<&Json> {
        self.get()
    }

    /// The bytes, if it carries bytes.
    #[must_use]
    pub fn as_bytes(&self) -> Option<&[u8]> {
        look_as!(self, &'static [u8], Vec<u8>, Box<[u8]>, Arc<[u8]>)
    }

    /// The name of the type carried, for people to read.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self.0.get::<Shared>() {
            Some(shared) => shared.0.type_name(),
            None => self.0.type_name(),
        }
    }

    /// A body that many mails can carry at once; see [`copy`](Self::copy).
    pub(crate) fn share(self) -> Self {
        if self.0.is::<Shared>() { self } else { Self::new(Shared(Arc::new(self))) }
    }

    /// The same body again, if it is shared.
    pub(crate) fn copy(&self) -> Option<Self> {
        self.0.get::<Shared>().cloned().map(Self::new)
    }
}

impl Default for Body {
    /// Empty.
    #[inline(always)]
    fn default() -> Self {
        Self::new(())
    }
}

/// How much of a body a log shows, in bytes.
const SHOWN: usize = 120;

impl fmt::Display for Body {
    /// Text and JSON as they are, shortened to 120 bytes; of bytes their number; of the rest the type.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(text) = self.as_text() {
            show(text, f)
        } else if let Some(json) = self.as_json() {
            show(&json.to_string(), f)
        } else if let Some(bytes) = self.as_bytes() {
            write!(f, "{} bytes", bytes.len())
        } else if self.is_empty() {
            f.write_str("(empty)")
        } else {
            write!(f, "({})", self.type_name())
        }
    }
}

fn show(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let end = text.floor_char_boundary(SHOWN);
    f.write_str(&text[..end])?;
    if end < text.len() { write!(f, "… ({} bytes)", text.len()) } else { Ok(()) }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_text() {
            Some(text) => write!(f, "Body({text:?})"),
            None => write!(f, "Body({self})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_kind_is_known_by_its_type() {
        let texts = [
            Body::new("a"),
            Body::new(String::from("a")),
            Body::new(Box::<str>::from("a")),
            Body::new(Arc::<str>::from("a")),
        ];
        assert!(texts.iter().all(|body| body.as_text() == Some("a") && body.as_bytes().is_none()));
        assert_eq!(Body::new(Cow::Borrowed("b")).as_text(), Some("b"));
        assert_eq!(Body::new(vec![1_u8, 2]).as_bytes(), Some(&[1, 2][..]));
        assert_eq!(Body::new(json!({"k": 1})).as_json(), Some(&json!({"k": 1})));
        assert!(Body::new(()).is_empty() && Body::default().is_empty());
        assert!(Body::new(1_u32).get::<u64>().is_none());
    }

    #[test]
    fn a_shared_body_reads_like_its_own() {
        let first = Body::new(String::from("to all")).share();
        let second = first.copy().unwrap();
        assert_eq!((first.as_text(), second.as_text()), (Some("to all"), Some("to all")));
        assert!(first.type_name().ends_with("String"));
        let Err(first) = first.into::<String>() else { panic!("somebody else reads it") };
        drop(second);
        assert_eq!(first.into::<String>().unwrap(), "to all");
        assert!(Body::new(1).copy().is_none());
    }

    #[test]
    fn a_log_can_show_it() {
        assert_eq!(Body::new("short").to_string(), "short");
        assert_eq!(Body::new("ü".repeat(100)).to_string(), format!("{}… (200 bytes)", "ü".repeat(60)));
        assert_eq!(Body::new(json!([1, "x"])).to_string(), r#"[1,"x"]"#);
        assert_eq!(Body::new(vec![0_u8; 9]).to_string(), "9 bytes");
        assert_eq!(Body::default().to_string(), "(empty)");
        assert_eq!(Body::new(5_u64).to_string(), "(u64)");
    }
}
