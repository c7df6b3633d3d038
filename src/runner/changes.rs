//! What becomes of a head's groups between two ticks: new ones, new lanes, settings, pauses.

use super::{Runner, TickCheck};
use crate::group::{Group, GroupPlan};
use crate::key::{GroupKey, GroupOptions};
use crate::phase;
use crate::scope::{self, Change, Lane};
use crate::systems::placement;
use std::sync::atomic::Ordering::Relaxed;

impl Runner {
    /// Carries out changes to the groups, between two ticks.
    #[cold]
    pub(super) fn adopt(&mut self) {
        loop {
            let changes = std::mem::take(&mut *scope::of(&mut self.world).changes.borrow_mut());
            if changes.is_empty() {
                break;
            }
            for change in changes {
                self.adopt_one(change);
            }
        }
        if let Some(check) = self.world.resource_mut::<TickCheck>().0.take() {
            for group in &mut self.groups {
                group.schedule.check_change_ticks(check);
            }
        }
        self.refresh_agenda();
    }

    fn adopt_one(&mut self, change: Change) {
        match change {
            Change::Found => self.adopt_groups(),
            Change::Install { lane } => self.install(lane),
            Change::Population { group } => {
                self.adopt_groups();
                self.activate(group as usize);
            }
            Change::Options { key, options } => self.configure(key, &options),
            #[cfg(feature = "usb")]
            Change::PollUsb => {
                self.polls_usb = true;
                self.groups.iter_mut().for_each(Group::poll_usb);
            }
            Change::Pause { key, paused } => {
                let index = placement::find_group(&mut self.world, key) as usize;
                self.adopt_groups();
                self.groups[index].paused = paused;
            }
        }
    }

    fn install(&mut self, lane: u32) {
        self.adopt_groups();
        let scope = scope::of(&mut self.world);
        let Lane { group, kind, .. } = scope.lanes.borrow()[lane as usize];
        let install = scope.kinds.borrow()[kind as usize].install;
        let mark = scope.mark(lane);
        install(&mut self.world, lane, mark, &mut self.groups[group as usize].schedule);
    }

    /// Gives every entry of the scope its group.
    fn adopt_groups(&mut self) {
        let epoch = self.control.epoch.load(Relaxed);
        let known = self.groups.len();
        let keys: Vec<GroupKey> =
            scope::of(&mut self.world).groups.borrow()[known..].iter().map(|entry| entry.key.clone()).collect();
        let beat = &self.beat;
        self.groups.extend(keys.into_iter().map(|key| Group::new(key, GroupPlan::default(), beat.clone(), epoch)));
        #[cfg(feature = "usb")]
        if self.polls_usb {
            self.groups[known..].iter_mut().for_each(Group::poll_usb);
        }
    }

    fn configure(&mut self, key: GroupKey, options: &GroupOptions) {
        let index = placement::find_group(&mut self.world, key) as usize;
        self.adopt_groups();
        let now = self.started.then(|| self.on_grid(self.beat.now()));
        let group = &mut self.groups[index];
        let paused = group.paused || self.control.paused.load(Relaxed);
        group.configure(options, now, paused);
        self.load.sheds |= options.importance.is_some();
        if self.started && self.groups[index].finds_phase {
            let phase = self.find_phase(index);
            self.groups[index].set_phase(phase, now, paused);
        }
    }

    /// Before the start: gives the groups that find their phase one, the fastest first, as they can give way least.
    pub(super) fn spread(&mut self) {
        let mut open: Vec<usize> = (0..self.groups.len()).filter(|&at| self.groups[at].finds_phase).collect();
        open.sort_by_key(|&at| (self.groups[at].period, at));
        for at in open {
            let phase = self.find_phase(at);
            self.groups[at].set_phase(phase, None, false);
        }
    }

    /// The phase in which a group stays farthest from those that have theirs.
    fn find_phase(&self, index: usize) -> u64 {
        let others =
            self.groups.iter().enumerate().filter(|&(at, group)| at != index && group.active && !group.finds_phase);
        let others: Vec<_> = others.map(|(_, group)| group.placed()).collect();
        phase::best(self.groups[index].key.frequency, &others)
    }

    /// A group ticks while it has a process or a system.
    fn activate(&mut self, index: usize) {
        let population = scope::of(&mut self.world).groups.borrow()[index].population;
        let now = self.on_grid(self.beat.now());
        let group = &mut self.groups[index];
        let active = population > 0 || group.has_systems;
        if active && !group.active && self.started {
            group.resume_after(now);
        }
        group.active = active;
    }
}
