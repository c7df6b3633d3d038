//! The run level of a process: which part of its life it is in, and where it can go from there.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Which part of its life a process is in.
///
/// | from | to |
/// |---|---|
/// | `Unset` | `Buildup` |
/// | `Buildup` | `Run`; `Cleanup` |
/// | `Run`, `Level3`, `Level4`, `Level5` | each other and themselves, by the process itself; `Reboot`; `Cleanup` |
/// | `Reboot` | `Buildup`; `Cleanup` |
/// | `Cleanup` | `Halt` |
/// | `Halt` | `Unset` |
///
/// So any process that is alive can die. As an integer a level is between -1 and 7.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i8)]
pub enum RunLevel {
    /// Not started, or over.
    #[default]
    Unset = -1,
    /// The end has come: threads are joined, then `death` runs.
    Halt = 0,
    /// Being born.
    Buildup = 1,
    /// Living.
    Run = 2,
    /// Living, in a mode of the process's own.
    Level3 = 3,
    /// Living, in a mode of the process's own.
    Level4 = 4,
    /// Living, in a mode of the process's own.
    Level5 = 5,
    /// On its way to be born again.
    Reboot = 6,
    /// Dying: the last mail is handed over.
    Cleanup = 7,
}

/// A number or a name that is no [`RunLevel`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given} is no run level: give -1..=7 or one of {}", names(&RunLevel::ALL))]
#[non_exhaustive]
pub struct RunLevelError {
    /// What was given, shortened if it is long.
    pub given: String,
}

/// A move between run levels that the life of a process does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("run level {from} cannot be followed by {to}, only by {}", names(&from.successors()))]
#[non_exhaustive]
pub struct IllegalMove {
    /// The level that the process is at, and stays at.
    pub from: RunLevel,
    /// The level that was asked for.
    pub to: RunLevel,
}

impl RunLevel {
    /// All levels, in the order of their numbers.
    pub const ALL: [RunLevel; 9] = [
        RunLevel::Unset,
        RunLevel::Halt,
        RunLevel::Buildup,
        RunLevel::Run,
        RunLevel::Level3,
        RunLevel::Level4,
        RunLevel::Level5,
        RunLevel::Reboot,
        RunLevel::Cleanup,
    ];

    /// The name in upper case, as `Display` writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            RunLevel::Unset => "UNSET",
            RunLevel::Halt => "HALT",
            RunLevel::Buildup => "BUILDUP",
            RunLevel::Run => "RUN",
            RunLevel::Level3 => "LEVEL3",
            RunLevel::Level4 => "LEVEL4",
            RunLevel::Level5 => "LEVEL5",
            RunLevel::Reboot => "REBOOT",
            RunLevel::Cleanup => "CLEANUP",
        }
    }

    /// Whether the process lives at this level: `Run`, or one of `Level3` to `Level5`.
    #[must_use]
    pub const fn is_running(self) -> bool {
        matches!(self, RunLevel::Run | RunLevel::Level3 | RunLevel::Level4 | RunLevel::Level5)
    }

    /// Whether its hooks may run: at every level but `Unset`.
    #[must_use]
    pub const fn is_alive(self) -> bool {
        !matches!(self, RunLevel::Unset)
    }

    /// Whether `next` may follow this level.
    ///
    /// To stay at a level at which the process is running is allowed, and changes nothing. To stay at any other is not:
    /// those are passed through once, and a second request is a mistake worth hearing of.
    #[must_use]
    pub const fn can_move_to(self, next: RunLevel) -> bool {
        use RunLevel::{Buildup, Cleanup, Halt, Reboot, Run, Unset};
        match (self, next) {
            (Unset | Reboot, Buildup) | (Buildup, Run) => true,
            (Buildup | Reboot, Cleanup) | (Cleanup, Halt) | (Halt, Unset) => true,
            (from, next) if from.is_running() => next.is_running() || matches!(next, Reboot | Cleanup),
            _ => false,
        }
    }

    /// `next`, if it may follow this level; see [`can_move_to`](Self::can_move_to).
    ///
    /// # Errors
    ///
    /// If it may not. The error tells which levels may.
    pub const fn move_to(self, next: RunLevel) -> Result<RunLevel, IllegalMove> {
        if self.can_move_to(next) { Ok(next) } else { Err(IllegalMove { from: self, to: next }) }
    }

    fn successors(self) -> Vec<RunLevel> {
        Self::ALL.into_iter().filter(|&next| next != self && self.can_move_to(next)).collect()
    }
}

/// For messages: `RUN, REBOOT, CLEANUP`.
fn names(levels: &[RunLevel]) -> String {
    levels.iter().map(|level| level.name()).collect::<Vec<_>>().join(", ")
}

/// The name in upper case: `BUILDUP`.
impl fmt::Display for RunLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name in any case, or a number: `buildup`, `LEVEL3`, `-1`.
impl FromStr for RunLevel {
    type Err = RunLevelError;

    fn from_str(text: &str) -> Result<Self, RunLevelError> {
        const LONGEST: usize = 60;
        let text = text.trim();
        if let Ok(number) = text.parse::<i64>() {
            return Self::try_from(number);
        }
        let named = Self::ALL.into_iter().find(|level| level.name().eq_ignore_ascii_case(text));
        named.ok_or_else(|| RunLevelError { given: format!("{:?}", text.chars().take(LONGEST).collect::<String>()) })
    }
}

impl TryFrom<i64> for RunLevel {
    type Error = RunLevelError;

    fn try_from(number: i64) -> Result<Self, RunLevelError> {
        let level = Self::ALL.into_iter().find(|&level| i64::from(i8::from(level)) == number);
        level.ok_or_else(|| RunLevelError { given: number.to_string() })
    }
}

impl TryFrom<i32> for RunLevel {
    type Error = RunLevelError;

    fn try_from(number: i32) -> Result<Self, RunLevelError> {
        Self::try_from(i64::from(number))
    }
}

impl TryFrom<i8> for RunLevel {
    type Error = RunLevelError;

    fn try_from(number: i8) -> Result<Self, RunLevelError> {
        Self::try_from(i64::from(number))
    }
}

impl From<RunLevel> for i8 {
    fn from(level: RunLevel) -> i8 {
        level as i8
    }
}

/// As its name.
impl Serialize for RunLevel {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// From any text that `FromStr` reads.
impl<'de> Deserialize<'de> for RunLevel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_tells_the_way_out() {
        let error = RunLevel::Buildup.move_to(RunLevel::Halt).unwrap_err();
        assert_eq!(error.to_string(), "run level BUILDUP cannot be followed by HALT, only by RUN, CLEANUP");
        let error = RunLevel::try_from(8_i32).unwrap_err();
        assert!(error.to_string().starts_with("8 is no run level: give -1..=7 or one of UNSET, HALT, BUILDUP, RUN,"));
        let error = "jog".parse::<RunLevel>().unwrap_err();
        assert!(error.to_string().starts_with("\"jog\" is no run level"));
    }

    #[test]
    fn written_as_its_name() {
        assert_eq!(format!("{:>8}", RunLevel::Level3), "  LEVEL3");
        assert_eq!("-1".parse(), Ok(RunLevel::default()));
    }
}
