//! Run levels: numbers, names, and every move between two of them.

use polycephaly::run_level::RunLevel::{self, Buildup, Cleanup, Halt, Level3, Level4, Level5, Reboot, Run, Unset};
use proptest::prelude::*;

/// All that is legal, spelled out.
const LEGAL: [(RunLevel, &[RunLevel]); 9] = [
    (Unset, &[Buildup]),
    (Halt, &[Unset]),
    (Buildup, &[Run, Cleanup]),
    (Run, &[Run, Level3, Level4, Level5, Reboot, Cleanup]),
    (Level3, &[Run, Level3, Level4, Level5, Reboot, Cleanup]),
    (Level4, &[Run, Level3, Level4, Level5, Reboot, Cleanup]),
    (Level5, &[Run, Level3, Level4, Level5, Reboot, Cleanup]),
    (Reboot, &[Buildup, Cleanup]),
    (Cleanup, &[Halt]),
];

fn any_level() -> impl Strategy<Value = RunLevel> {
    prop::sample::select(&RunLevel::ALL)
}

#[test]
fn each_of_the_81_moves_is_as_the_table_says() {
    for (from, legal) in LEGAL {
        for to in RunLevel::ALL {
            assert_eq!(from.can_move_to(to), legal.contains(&to), "{from} to {to}");
            match from.move_to(to) {
                Ok(level) => assert_eq!(level, to),
                Err(error) => {
                    assert_eq!((error.from, error.to), (from, to));
                    let message = error.to_string();
                    let (_, ways_out) = message.split_once("only by ").unwrap();
                    let others = legal.iter().filter(|&&level| level != from);
                    assert_eq!(ways_out, others.map(|level| level.name()).collect::<Vec<_>>().join(", "));
                }
            }
        }
    }
}

#[test]
fn numbers_are_those_of_the_list() {
    for (number, level) in (-1_i8..).zip(RunLevel::ALL) {
        assert_eq!(i8::from(level), number);
        assert_eq!(RunLevel::try_from(number), Ok(level));
        assert_eq!(RunLevel::try_from(i32::from(number)), Ok(level));
        assert_eq!(RunLevel::try_from(i64::from(number)), Ok(level));
        assert_eq!(number.to_string().parse(), Ok(level));
        assert_eq!(level.is_running(), (2..=5).contains(&number));
    }
    assert!(RunLevel::ALL.is_sorted());
}

#[test]
fn nonsense_is_refused() {
    for text in ["", " ", "8", "-2", "running", "level 3", "level6", "RUN!", "1.0", "99999999999999999999"] {
        let error = text.parse::<RunLevel>().unwrap_err().to_string();
        assert!(error.contains(text.trim()) && error.contains("-1..=7") && error.contains("CLEANUP"), "{error}");
    }
    assert!(serde_json::from_str::<RunLevel>("\"nowhere\"").is_err());
}

proptest! {
    #[test]
    fn names_are_read_in_any_case(level in any_level(), upper in any::<[bool; 8]>()) {
        let mixed = level.name().chars().zip(upper).map(|(c, up)| if up { c } else { c.to_ascii_lowercase() });
        let mixed = mixed.collect::<String>();
        prop_assert_eq!(mixed.parse(), Ok(level));
        prop_assert_eq!(format!(" {mixed}\n").parse(), Ok(level));
        prop_assert_eq!(level.to_string().parse(), Ok(level));
        let json = serde_json::to_string(&level).unwrap();
        prop_assert_eq!(&json, &format!("\"{level}\""));
        prop_assert_eq!(serde_json::from_str::<RunLevel>(&json).unwrap(), level);
    }

    #[test]
    fn other_numbers_are_refused(number in any::<i64>()) {
        prop_assert_eq!(RunLevel::try_from(number).is_ok(), (-1..=7).contains(&number));
        prop_assert_eq!(RunLevel::try_from(number as i32).is_ok(), (-1..=7).contains(&(number as i32)));
        prop_assert_eq!(RunLevel::try_from(number as i8).is_ok(), (-1..=7).contains(&(number as i8)));
        prop_assert_eq!(number.to_string().parse::<RunLevel>().is_ok(), (-1..=7).contains(&number));
    }

    #[test]
    fn garbage_never_panics(text in ".{0,80}") {
        if let Err(error) = text.parse::<RunLevel>() {
            prop_assert!(error.to_string().contains("-1..=7"));
        }
    }

    /// Whatever is asked for, in whatever order: a process never gets stuck, and never lives without having been born.
    #[test]
    fn every_history_can_come_to_its_end(wishes in prop::collection::vec(any_level(), 0..60)) {
        let (mut level, mut born) = (Unset, false);
        for wish in wishes {
            level = level.move_to(wish).unwrap_or(level);
            born = level == Buildup || born && level != Unset;
            prop_assert!(born || !level.is_running());
        }
        for last in [Cleanup, Halt, Unset] {
            level = level.move_to(last).unwrap_or(level);
        }
        prop_assert_eq!(level, Unset);
    }
}
