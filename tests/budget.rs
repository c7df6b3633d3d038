//! How long a life or a tick may take: soft and hard limits, on the simulated clock, to the nanosecond.

mod common;

use common::{Log, Script, diary, ms, named, secs, simulated};
use polycephaly::prelude::*;

/// Takes so long in each life, in turn; then nothing.
fn takes(times: impl IntoIterator<Item = Duration, IntoIter: Send + Sync + 'static>) -> Script {
    let mut times = times.into_iter();
    Script::new().life(move |cx| {
        if let Some(time) = times.next() {
            cx.consume(time);
        }
        Ok(())
    })
}

fn misses(budget: Budget, times: &'static [u64]) -> (u64, u64, u64, u64) {
    let process = takes(times.iter().map(|&time| Duration::from_nanos(time)));
    let exit = simulated().add_process(process, (hz(10), named("p"), budget)).run_for(secs(2));
    let report = exit.report().process("p").unwrap();
    (report.budget.soft, report.budget.hard, report.budget.failures, report.errors)
}

#[test]
fn limits_at_their_edges() {
    let (soft, hard) = (Duration::from_nanos(1000), Duration::from_nanos(2000));
    let budget = Budget::soft(soft).and_hard(hard);
    assert_eq!(misses(budget, &[1000, 2000, 1001, 2001]), (3, 1, 1, 1));
    // Equal limits are both missed, and the hard one acts.
    assert_eq!(misses(Budget::soft(soft).and_hard(soft), &[1000, 1001]), (1, 1, 1, 1));
    // A limit of zero is missed by whatever takes time at all.
    assert_eq!(misses(Budget::hard(Duration::ZERO), &[0, 1, 0, 1]), (0, 2, 2, 2));
    assert_eq!(misses(Budget::soft(Duration::ZERO), &[0, 1]), (1, 0, 0, 0));
    // A soft limit above the hard one is only missed above it.
    assert_eq!(misses(Budget::soft(hard).and_hard(soft), &[1500, 2500]), (1, 2, 2, 2));
    assert_eq!(misses(Budget::none(), &[u64::MAX / 4]), (0, 0, 0, 0));
}

#[test]
fn a_budget_that_comes_later_holds_for_one_of_many() {
    let slow = || {
        Script::new().life(|cx| {
            cx.consume(Duration::from_micros(3));
            Ok(())
        })
    };
    let mut running = (0..20)
        .fold(simulated(), |all, number| all.add_process(slow(), (hz(10), named(&format!("p-{number}")))))
        .build()
        .unwrap();
    assert!(running.run_for(secs(1)));
    let entity = running.handle().address_of("p-4").unwrap().entity();
    running.world_mut().entity_mut(entity).insert(Budget::soft(Duration::from_micros(2)));
    assert!(running.run_for(secs(1)));
    let report = running.report();
    let soft = |name| report.process(name).unwrap().budget.soft;
    assert_eq!((soft("p-4"), soft("p-5")), (10, 0));
}

#[test]
fn the_bucket_acts_at_its_limit_and_leaks_with_each_good_life() {
    let budget = Budget::hard(Duration::from_nanos(5)).misses(3);
    assert_eq!(misses(budget, &[9, 9, 0, 9, 0, 9, 0, 9]), (0, 5, 0, 0), "1 2 1 2 1 2 1 2");
    assert_eq!(misses(budget, &[9, 9, 0, 9, 9]), (0, 4, 1, 1), "1 2 1 2 3");
    assert_eq!(misses(budget, &[9, 9, 9, 9, 9]), (0, 5, 1, 1), "then from 0 again");
}

#[test]
fn what_follows_a_failure_is_its_supervisions_answer() {
    let log = Log::default();
    let mut p = diary(&log);
    let mut life = p.take_life();
    let slow = p.life(move |cx| {
        life(cx)?;
        if cx.now() == ms(200) {
            cx.consume(ms(20));
        }
        Ok(())
    });
    let settings = (hz(10), named("p"), Budget::hard(ms(10)), Supervision::new().on_error(Response::Die));
    let exit = simulated().add_process(slow, settings).add_process(Script::new(), hz(10)).run_for(secs(1));
    let cause = "\"p\" failed in its life: took 20ms, over its hard budget of 10ms";
    assert_eq!(exit.report().process("p").unwrap().ended_by.as_deref(), Some(cause));
    assert_eq!(log.take(), ["p born", "p 0", "p 100", "p 200", "p dead"]);
}

#[test]
fn the_e_brake_where_the_budget_says_so() {
    let process = takes([ms(1), ms(1), ms(3)]);
    let budget = Budget::hard(ms(2)).then_ebrake();
    let exit = simulated().add_process(process, (hz(10), named("p"), budget)).run();
    assert!(matches!(exit.cause(), Cause::Ebrake { culprit, .. } if culprit == "p"), "{exit}");
    assert_eq!(exit.report().process("p").unwrap().lives, 3);
}

#[test]
fn a_budget_can_be_changed_and_taken_away_while_it_runs() {
    let process = takes(std::iter::repeat_n(ms(5), 100));
    let mut running = simulated().add_process(process, (hz(10), named("p"), Budget::soft(ms(9)))).build().unwrap();
    let entity = running.handle().address_of("p").unwrap().entity();
    let soft = |running: &mut Running, budget: Option<Budget>| {
        if let Some(budget) = budget {
            running.world_mut().entity_mut(entity).insert(budget);
        }
        running.run_for(ms(300));
        running.report().process("p").unwrap().budget.soft
    };
    assert_eq!(soft(&mut running, None), 0);
    assert_eq!(soft(&mut running, Some(Budget::soft(ms(4)))), 3);
    assert_eq!(soft(&mut running, Some(Budget::soft(ms(5)))), 3, "what was counted stays");
    assert_eq!(soft(&mut running, Some(Budget::none())), 3);
    assert_eq!(soft(&mut running, Some(Budget::soft(Duration::ZERO))), 6);
    // One that had none may get one.
    let plain = takes(std::iter::repeat_n(ms(5), 100));
    let other = running.world_mut().spawn_process(plain, (hz(10), named("q"))).unwrap();
    running.run_for(ms(300));
    running.world_mut().entity_mut(other).insert(Budget::soft(ms(1)));
    running.run_for(ms(300));
    assert_eq!(running.report().process("q").unwrap().budget.soft, 3);
}

#[test]
fn a_group_has_a_budget_of_its_own() {
    let times = || takes([ms(3), ms(6), ms(1), ms(6)]);
    let application = |budget: Budget| {
        simulated()
            .group(hz(10), |group| group.budget(budget))
            .add_process(times(), hz(10))
            .add_process(times(), hz(10))
    };
    let exit = application(Budget::soft(ms(2)).and_hard(ms(10))).run_for(secs(1));
    let budget = exit.report().group("10 Hz").unwrap().budget;
    assert_eq!((budget.soft, budget.hard, budget.failures), (3, 2, 2), "6, 12, 2 and 12 ms");
    assert_eq!(exit.report().failures(), 2);
    assert!(exit.is_success());
    let exit = application(Budget::hard(ms(10)).misses(2).then_ebrake()).run_for(secs(1));
    assert!(exit.is_success(), "the bucket has leaked in between: {exit}");
    let exit = application(Budget::hard(ms(10)).then_ebrake()).run();
    assert!(matches!(exit.cause(), Cause::Ebrake { culprit, .. } if culprit == "group 10 Hz"), "{exit}");
    assert_eq!(exit.report().processes[0].lives, 2);
}

#[test]
fn a_groups_budget_can_be_changed_while_it_runs() {
    let process = takes(std::iter::repeat_n(ms(5), 100));
    let mut running = simulated().add_process(process, hz(10)).build().unwrap();
    running.run_for(ms(300));
    running.handle().group(hz(10), |group| group.budget(Budget::soft(ms(4))));
    running.run_for(ms(300));
    running.handle().group(hz(10), |group| group.budget(Budget::none()));
    running.run_for(ms(300));
    assert_eq!(running.report().group("10 Hz").unwrap().budget.soft, 3);
}
