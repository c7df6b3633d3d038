//! Many heads as one application: names, mail, topics, births, deaths and reports, under the simulated clock.

mod common;

use common::{Log, Script, Sparse, diary, ms, named, secs, simulated};
use polycephaly::prelude::*;

/// Consumes so much in each life.
fn hog(time: Duration) -> Sparse {
    Sparse::new().life(move |cx| {
        cx.consume(time);
        Ok(())
    })
}

#[test]
fn what_takes_long_on_one_head_does_not_delay_another() {
    let group = |application: Application| {
        let exit = application.run_for(secs(1));
        let group = exit.report().group("100 Hz").unwrap();
        (group.ticks, group.dropped, group.lateness.max)
    };
    let shared = simulated().add_process(Script::new(), hz(100)).add_process(hog(ms(50)), hz(10));
    assert_eq!(group(shared), (60, 40, ms(40)), "on one head");
    let apart =
        simulated().add_process(Script::new(), hz(100)).add_head(Head::new("slow").add_process(hog(ms(50)), hz(10)));
    assert_eq!(group(apart), (100, 0, Duration::ZERO));
}

#[test]
fn at_one_instant_the_shortest_period_goes_first_then_the_main_head() {
    let log = Log::default();
    let exit = simulated()
        .add_head(
            Head::new("b")
                .add_process(diary(&log), (hz(10), named("b slow")))
                .add_process(diary(&log), (hz(20), named("b fast"))),
        )
        .add_head(Head::new("c").add_process(diary(&log), (hz(20), named("c fast"))))
        .add_process(diary(&log), (hz(10), named("main slow")))
        .add_process(diary(&log), (hz(20), named("main fast")))
        .run_for(ms(60));
    exit.assert_clean();
    let lives: Vec<_> = log.take().into_iter().filter(|line| line.ends_with(" 0") || line.ends_with(" 50")).collect();
    assert_eq!(
        lives,
        ["main fast 0", "b fast 0", "c fast 0", "main slow 0", "b slow 0", "main fast 50", "b fast 50", "c fast 50"]
    );
}

#[test]
fn mail_asks_and_topics_go_from_head_to_head() {
    let log = Log::default();
    let (asks, hears) = (log.clone(), log.clone());
    let asker = Script::new()
        .birth(|cx| {
            cx.after(ms(100), |_, cx| {
                cx.ask_then(Mail::to("answerer").subject("double").body(21_u64), secs(1), |_, reply, cx| {
                    let answer = *reply?.get::<u64>().unwrap();
                    cx.publish(answer);
                    Ok(())
                })?;
                Ok(())
            });
            Ok(())
        })
        .life(move |cx| {
            cx.tell("listener", "tick", cx.now().as_millis() as u64);
            asks.say("told");
            Ok(())
        });
    let answerer = Sparse::new().birth(|cx| {
        cx.add_filter("double".into(), |_, mail, cx| {
            let number = *mail.get::<u64>().unwrap();
            cx.reply(mail, number * 2)?;
            Ok(())
        })?;
        Ok(())
    });
    let listener = Sparse::new()
        .birth(|cx| {
            cx.add_filter("tick".into(), |_, mail, _| {
                assert_eq!(mail.sender(), "asker");
                Ok(())
            })?;
            Ok(())
        })
        .life(move |cx| {
            if let Some(answer) = cx.latest::<u64>() {
                hears.say(format!("{} by {}", *answer, answer.publisher().name()));
                cx.stop_application("heard");
            }
            Ok(())
        });
    let exit = simulated()
        .add_process(asker, (hz(10), named("asker")))
        .add_head(Head::new("far").add_process(answerer, (hz(100), named("answerer"))))
        .add_process(listener, (hz(50), named("listener"), OnHead::new("FAR")))
        .run();
    exit.assert_clean();
    assert!(log.contains("42 by asker"));
    assert_eq!(exit.report().process("listener").unwrap().head, "far");
    assert_eq!(exit.report().process("listener").unwrap().mail.delivered as usize, log.count("told"));
}

#[test]
fn names_are_one_for_all_heads_and_faults_are_told_together() {
    let error = simulated()
        .add_head(Head::new("one").add_process(Script::new(), named("twin")))
        .add_head(Head::new("ONE"))
        .add_head(Head::new(""))
        .add_head(Head::new("main"))
        .add_head(Head::per_group().setup(|_| {}))
        .add_process(Script::new(), named("Twin"))
        .add_process(Script::new(), OnHead::new("nowhere"))
        .build()
        .unwrap_err();
    let faults = error.to_string();
    for part in [
        "two heads \"ONE\"",
        "a head's name can't be empty",
        "two heads \"main\"",
        "no one World",
        "there is no head",
        "\"nowhere\"",
    ] {
        assert!(faults.contains(part), "{part}: {faults}");
    }
    let error = simulated()
        .add_head(Head::new("one").add_process(Script::new(), named("twin")))
        .add_process(Script::new(), named("Twin"))
        .build()
        .unwrap_err();
    assert!(error.to_string().contains("the name \"Twin\" is taken"), "{error}");
}

#[test]
fn each_frequency_group_can_have_a_head_of_its_own() {
    let exit = simulated()
        .global_frequency(hz(5))
        .add_head(
            Head::per_group()
                .add_process(Script::new(), (hz(100), named("fast")))
                .add_process(Script::new(), (hz(10), named("slow")))
                .add_process(Script::new(), (hz(10), InGroup::new("io"), named("io")))
                .add_process(Script::new(), named("usual"))
                .add_process(Sparse::new(), (hz(100), named("fast too")))
                .add_systems(hz(10), || {}),
        )
        .run_for(secs(1));
    exit.assert_clean();
    let heads: Vec<_> = exit.report().heads.iter().map(|head| head.name.as_str()).collect();
    assert_eq!(heads, ["main", "10 Hz", "100 Hz", "10 Hz io", "5 Hz"]);
    for (process, head) in
        [("fast", "100 Hz"), ("slow", "10 Hz"), ("io", "10 Hz io"), ("usual", "5 Hz"), ("fast too", "100 Hz")]
    {
        assert_eq!(exit.report().process(process).unwrap().head, head, "{process}");
    }
}

#[test]
fn births_and_deaths_go_by_rank_over_all_heads() {
    let log = Log::default();
    let exit = simulated()
        .add_head(
            Head::new("control").add_process(diary(&log), (hz(10), named("motor"), Depends::on(["imu", "power"]))),
        )
        .add_process(diary(&log), (hz(10), named("power")))
        .add_head(Head::new("sensing").add_process(diary(&log), (hz(10), named("imu"), Depends::on(["power"]))))
        .add_process(diary(&log), (hz(10), named("pilot"), Depends::on(["motor"])))
        .run_for(ms(100));
    exit.assert_clean();
    let lines: Vec<_> = log.take().into_iter().filter(|line| !line.ends_with(" 0")).collect();
    assert_eq!(
        lines,
        ["power born", "imu born", "motor born", "pilot born", "pilot dead", "motor dead", "imu dead", "power dead"]
    );
}

#[test]
fn a_circle_over_heads_is_found() {
    let error = simulated()
        .add_process(Script::new(), (named("a"), Depends::on(["b"])))
        .add_head(Head::new("other").add_process(Script::new(), (named("b"), Depends::on(["a"]))))
        .build()
        .unwrap_err();
    assert!(error.to_string().contains("a -> b -> a"), "{error}");
}

#[test]
fn motors_are_off_on_all_heads_before_any_death() {
    let log = Log::default();
    let puller = Script::new().life(|cx| {
        cx.ebrake("smoke");
        Ok(())
    });
    let exit = simulated()
        .add_head(Head::new("control").add_process(diary(&log), (hz(10), named("motor"))))
        .add_process(diary(&log), (hz(20), named("pump")))
        .add_process(puller, (hz(20), named("puller")))
        .run();
    assert!(matches!(exit.cause(), Cause::Ebrake { culprit, .. } if culprit == "puller"), "{exit}");
    assert_eq!(
        log.take(),
        ["motor born", "pump born", "pump 0", "pump safe", "motor safe", "pump dead", "motor dead"],
        "no other life once it is pulled"
    );
}

#[test]
fn processes_are_spawned_started_stopped_and_restarted_on_other_heads() {
    let log = Log::default();
    let spawns = log.clone();
    let launcher = Script::new().birth(move |cx| {
        cx.spawn(diary(&spawns), (hz(10), named("probe"), OnHead::new("far")));
        cx.after(ms(250), |_, cx| Ok(cx.stop("probe", "rest")?));
        cx.after(ms(450), |_, cx| Ok(cx.start("probe")?));
        cx.after(ms(650), |_, cx| Ok(cx.restart("probe", "again")?));
        cx.after(ms(850), |_, cx| {
            cx.stop_application("done");
            Ok(())
        });
        Ok(())
    });
    let exit = simulated().add_process(launcher, (hz(20), named("launcher"))).add_head(Head::new("far")).run();
    exit.assert_clean();
    assert_eq!(exit.report().process("probe").unwrap().head, "far");
    assert_eq!(log.count("probe born"), 3);
    assert_eq!(log.count("probe dead"), 3);
    let lives: Vec<_> =
        log.take().into_iter().filter(|line| !line.ends_with("born") && !line.ends_with("dead")).collect();
    assert_eq!(
        lives,
        ["probe 100", "probe 200", "probe 500", "probe 600", "probe 700", "probe 800"],
        "one that is born late lives at its group's next due instant"
    );
}

#[test]
fn a_world_refuses_who_belongs_elsewhere() {
    let mut running = simulated().add_head(Head::new("far")).add_process(Script::new(), named("here")).build().unwrap();
    let refused = running.world_mut().spawn_process(Script::new(), OnHead::new("far")).unwrap_err();
    assert!(refused.to_string().contains("it belongs on head \"far\""), "{refused}");
    let refused = running.world_mut().spawn_process(Script::new(), OnHead::new("moon")).unwrap_err();
    assert!(refused.to_string().contains("there is no head \"moon\": add it, or name one of main, far"), "{refused}");
    let _process: Script = refused.process;
    assert!(running.world_mut().spawn_process(Script::new(), OnHead::new("MAIN")).is_ok());
    running.handle().spawn(Script::new(), (named("by handle"), OnHead::new("far")));
    running.handle().spawn(Script::new(), (named("lost"), OnHead::new("moon")));
    running.run_for(secs(1));
    let report = running.report();
    assert_eq!(report.process("by handle").unwrap().head, "far");
    assert!(report.process("lost").is_none());
    assert_eq!(report.refused_births, 1);
    assert_eq!(running.handle().heads(), ["main", "far"]);
    assert!(running.get::<Script>("by handle").is_some(), "under the simulated clock all Worlds are here");
}

#[test]
fn who_depends_on_another_head_starts_after_it() {
    let log = Log::default();
    let mut running = simulated()
        .add_head(Head::new("far").add_process(diary(&log), (hz(10), named("base"), Autostart(false))))
        .add_process(diary(&log), (hz(10), named("top"), Autostart(false), Depends::on(["middle"])))
        .add_process(Script::new(), (hz(10), named("keeper")))
        .add_head(
            Head::new("mid")
                .add_process(diary(&log), (hz(10), named("middle"), Autostart(false), Depends::on(["base"]))),
        )
        .build()
        .unwrap();
    running.run_for(ms(100));
    running.handle().start("top").unwrap();
    running.run_for(ms(100));
    let births: Vec<_> = log.take().into_iter().filter(|line| line.ends_with("born")).collect();
    assert_eq!(births, ["base born", "middle born", "top born"]);
}

#[test]
fn dependents_on_other_heads_are_born_again_with_whom_they_depend_on() {
    let log = Log::default();
    let notes = log.clone();
    let base = Script::new()
        .birth(move |cx| {
            notes.say(format!("base born {}", cx.now().as_millis()));
            Ok(())
        })
        .life(|cx| if cx.now() == ms(300) { Err("once".into()) } else { Ok(()) });
    let backoff = Backoff { first: ms(200), factor: 1.0, max: ms(200), reset_after: secs(60) };
    let restart = Restart::new().backoff(backoff).with_dependents();
    let exit = simulated()
        .add_process(base, (hz(10), named("base"), Supervision::both(restart)))
        .add_head(Head::new("far").add_process(diary(&log), (hz(10), named("user"), Depends::on(["base"]))))
        .add_process(diary(&log), (hz(10), named("bystander")))
        .run_for(ms(800));
    assert!(exit.is_success(), "{exit}");
    assert_eq!((log.count("base born 0"), log.count("base born 500")), (1, 1));
    assert_eq!((log.count("user born"), log.count("user dead")), (2, 2));
    assert_eq!((log.count("bystander born"), log.count("user 400"), log.count("user 600")), (1, 0, 1));
}

#[test]
fn the_end_waits_for_the_exempt_on_any_head_and_for_what_they_need() {
    let log = Log::default();
    let writes = log.clone();
    let flusher = Script::new().life(move |cx| {
        writes.say("flush");
        if cx.now() >= ms(500) {
            cx.die("flushed");
        }
        Ok(())
    });
    let stops = Script::new().life(|cx| {
        cx.stop_application("enough");
        Ok(())
    });
    let exit = simulated()
        .add_head(
            Head::new("far")
                .add_process(flusher, (hz(10), named("flusher"), BoundShutdown(false), Depends::on(["disk"]))),
        )
        .add_process(diary(&log), (hz(10), named("disk")))
        .add_process(diary(&log), (hz(10), named("other")))
        .add_process(stops, (hz(1), named("stops")))
        .run();
    exit.assert_clean();
    assert_eq!(log.count("flush"), 6);
    let lines = log.take();
    let at = |line: &str| lines.iter().position(|known| known == line).unwrap();
    assert!(at("other dead") < at("disk 500") && at("disk 500") < at("disk dead"), "{lines:?}");
}

#[test]
fn the_last_death_on_any_head_ends_the_application() {
    let mortal = |at: u64| {
        Script::new().life(move |cx| {
            if cx.now() >= ms(at) {
                cx.die("done");
            }
            Ok(())
        })
    };
    let exit = simulated()
        .add_process(mortal(100), (hz(10), named("first")))
        .add_head(Head::new("far").add_process(mortal(300), (hz(10), named("last"))))
        .run();
    assert_eq!(exit.cause(), &Cause::AllDied);
    assert_eq!(exit.report().elapsed, ms(300));
    // A successor on the other head carries it on.
    let heir = Script::new().life(move |cx| {
        cx.spawn(mortal(400), (hz(10), named("heir"), OnHead::new("far")));
        cx.die("the heir carries on");
        Ok(())
    });
    let exit = simulated().add_process(heir, hz(10)).add_head(Head::new("far")).run();
    assert_eq!((exit.cause(), exit.report().elapsed), (&Cause::AllDied, ms(400)));
    assert_eq!(simulated().add_head(Head::new("far")).run().cause(), &Cause::Idle);
}

#[test]
fn each_head_has_a_world_groups_and_a_line_in_the_report_of_its_own() {
    #[derive(Resource)]
    struct Number(u32);
    let log = Log::default();
    let reads = |name: &'static str| {
        let log = log.clone();
        move |number: Res<Number>| log.say(format!("{name} {}", number.0))
    };
    let mut running = simulated()
        .insert_resource(Number(1))
        .add_systems(hz(10), reads("main"))
        .add_head(Head::new("far").insert_resource(Number(2)).add_systems(hz(10), reads("far")))
        .build()
        .unwrap();
    running.run_for(ms(100));
    assert_eq!(log.take(), ["main 1", "far 2"]);
    running.handle().do_to_head("far", |world| world.resource_mut::<Number>().0 = 3).unwrap();
    running.handle().do_to_world(|world| world.resource_mut::<Number>().0 = 4);
    let error = running.handle().do_to_head("moon", |_| {}).unwrap_err();
    assert_eq!(error.to_string(), "there is no head \"moon\": add it, or name one of main, far");
    running.run_for(ms(100));
    assert_eq!(log.take(), ["main 4", "far 3"]);
    assert_eq!(running.world().resource::<Number>().0, 4);
    assert_eq!(running.world_of("FAR").unwrap().resource::<Number>().0, 3);
    assert!(running.world_of("moon").is_none());
    let report = running.report();
    assert_eq!(report.groups.len(), 2);
    assert_eq!(report.group_on("far", "10 Hz").unwrap().ticks, 2);
    assert!(report.to_string().contains("far: 10 Hz"), "{report}");
    let json = report.to_json();
    assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report);
}

#[test]
fn from_outside_a_group_is_paused_and_set_on_each_head_that_has_it() {
    let mut running = simulated()
        .add_process(Script::new(), (hz(100), named("near")))
        .add_head(Head::new("far").add_process(Sparse::new(), (hz(100), named("far"))))
        .add_head(Head::new("other").add_process(Sparse::new(), (hz(50), named("other"))))
        .build()
        .unwrap();
    running.handle().pause(hz(100)).unwrap();
    running.run_for(secs(1));
    running.handle().resume(hz(100)).unwrap();
    running.handle().group(hz(100), |g| g.overrun(Overrun::Delay));
    running.run_for(secs(1));
    let report = running.report();
    for head in ["main", "far"] {
        let group = report.group_on(head, "100 Hz").unwrap();
        assert_eq!((group.ticks, group.paused, group.overrun), (100, 100, Overrun::Delay), "{head}");
    }
    assert!(report.group_on("other", "100 Hz").is_none(), "it is not made where nobody has it");
    assert_eq!(report.group_on("other", "50 Hz").unwrap().ticks, 100);
}

#[test]
fn a_process_can_hand_its_application_on() {
    let launcher = Script::new().birth(|cx| {
        let application = cx.application();
        application.spawn(Sparse::new(), (hz(10), named("by handle"), OnHead::new("far")));
        application.stop_application("asked for by handle");
        Ok(())
    });
    let exit = simulated().add_process(launcher, hz(10)).add_head(Head::new("far")).run();
    assert!(matches!(exit.cause(), Cause::Stopped { reason, .. } if reason == "asked for by handle"), "{exit}");
}
