//! What the head keeps of a process and its mailbox that no plain mail touches: beside the homes, so that these are small.

use crate::sync::AtomicU8;
use bevy_ecs::entity::Entity;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};

/// Written by the head, but for what is said otherwise.
pub(crate) struct Attic {
    /// The process, in the World of its head.
    entity: AtomicU64,
    /// Lives so far, less the runs of its lane: wraps, so that it may be negative. Of one that is over, its lives.
    lives_offset: AtomicU64,
    /// Mail that has passed, but for what its home counts.
    passed: AtomicU64,
    /// How many of those that wait are urgent: they come first.
    urgent: AtomicU32,
    /// Written by anybody, under the lock of the gate.
    behind: AtomicU8,
    /// Written under the lock of the gate.
    door: AtomicU8,
    /// Whether its mailman may have more to do than to hand over mail. Set by anybody.
    errands: AtomicBool,
}

/// What is behind the gate.
#[derive(Clone, Copy)]
pub(super) enum Behind {
    /// Nothing that the head has not seen.
    Nothing = 0,
    /// What has come in since the head looked, or was laid there by it.
    Some = 1,
    /// The whole queue, always.
    All = 2,
}

#[derive(Clone, Copy)]
pub(super) enum Door {
    /// Its process reads.
    Open = 0,
    /// Its process is yet to be born, or to be born again: what comes in waits behind the gate, where it is in nobody's way.
    Away = 1,
    /// Nothing is let in any more.
    Closed = 2,
}

impl Attic {
    pub(super) fn vacant() -> Self {
        Self {
            entity: AtomicU64::new(0),
            lives_offset: AtomicU64::new(0),
            passed: AtomicU64::new(0),
            urgent: AtomicU32::new(0),
            behind: AtomicU8::new(Behind::Nothing as u8),
            door: AtomicU8::new(Door::Closed as u8),
            errands: AtomicBool::new(false),
        }
    }

    /// As of a process that is yet to be born.
    pub(super) fn furnish(&self, behind: Behind) {
        self.lives_offset.store(0, Relaxed);
        self.set_passed(0);
        self.set_urgent(0);
        self.errands.store(false, Relaxed);
        self.set_behind(behind);
        self.set_door(Door::Away);
    }

    pub(crate) fn entity(&self) -> Entity {
        Entity::from_bits(self.entity.load(Relaxed))
    }

    pub(crate) fn set_entity(&self, entity: Entity) {
        self.entity.store(entity.to_bits(), Relaxed);
    }

    pub(crate) fn lives_offset(&self) -> u64 {
        self.lives_offset.load(Relaxed)
    }

    pub(crate) fn set_lives_offset(&self, offset: u64) {
        self.lives_offset.store(offset, Relaxed);
    }

    /// From now on, its mailman has more to do than to hand over mail.
    pub(crate) fn add_errand(&self) {
        self.errands.store(true, Relaxed);
    }

    /// Whether anything else than mail has ever waited.
    pub(crate) fn has_errands(&self) -> bool {
        self.errands.load(Relaxed)
    }

    pub(super) fn is_behind(&self, what: Behind) -> bool {
        self.behind.load(Relaxed) == what as u8
    }

    pub(super) fn set_behind(&self, what: Behind) {
        self.behind.store(what as u8, Relaxed);
    }

    pub(super) fn is_door(&self, door: Door) -> bool {
        self.door.load(Relaxed) == door as u8
    }

    pub(super) fn set_door(&self, door: Door) {
        self.door.store(door as u8, Relaxed);
    }

    pub(super) fn urgent(&self) -> u32 {
        self.urgent.load(Relaxed)
    }

    pub(super) fn set_urgent(&self, urgent: u32) {
        self.urgent.store(urgent, Relaxed);
    }

    pub(super) fn passed(&self) -> u64 {
        self.passed.load(Relaxed)
    }

    pub(super) fn set_passed(&self, mails: u64) {
        self.passed.store(mails, Relaxed);
    }
}
