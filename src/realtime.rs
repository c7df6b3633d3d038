//! Real-time settings of a head's thread.

/// What a head's thread asks of the operating system: nothing, unless set.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[must_use]
pub struct RealTime {}
