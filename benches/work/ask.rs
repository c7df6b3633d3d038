//! Questions: each of those who ask puts one in each life, to somebody of its own who answers.

use polycephaly::prelude::*;

/// Asks the one behind it in each life.
#[derive(Component)]
struct Asker {
    whom: Option<Address>,
    answers: u64,
}

impl Process for Asker {
    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        cx.after(Duration::ZERO, |asker, cx| {
            let number = cx.name().trim_start_matches("asker-").to_owned();
            asker.whom = Some(cx.address_of(&format!("answerer-{number}"))?);
            Ok(())
        });
        Ok(())
    }

    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        if let Some(whom) = &self.whom {
            // Ten ticks: an answered question still waits for its time-out among the alarms.
            cx.ask_then(
                Mail::to(whom).subject("double").body(self.answers),
                Duration::from_millis(10),
                |asker, reply, _| {
                    let double = *reply?.get::<u64>().ok_or("no number")?;
                    asker.answers += u64::from(double == 2 * asker.answers);
                    Ok(())
                },
            )?;
        }
        Ok(())
    }
}

#[derive(Component)]
struct Answerer;

impl Process for Answerer {
    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        cx.add_filter(Filter::new().subject("double"), |_, mail, cx| {
            let number = *mail.get::<u64>().ok_or("no number")?;
            cx.reply(mail, 2 * number)?;
            Ok(())
        })?;
        Ok(())
    }
}

/// So many who ask, and as many who answer, in their steady state.
pub(crate) fn askers(size: usize) -> Running {
    let mut application = Application::new().clock(Clock::simulated());
    for index in 0..size {
        let (asker, answerer) = (Name::new(format!("asker-{index}")), Name::new(format!("answerer-{index}")));
        application = application
            .add_process(Asker { whom: None, answers: 0 }, (hz(1000), asker))
            .add_process(Answerer, (hz(1000), answerer));
    }
    let mut running = application.build().expect("a sound application");
    for _ in 0..20 {
        running.step();
    }
    running
}

/// That each question but those on their way was answered: else the bench measures something else.
pub(crate) fn check(running: &mut Running) {
    running.step();
    let lives = running.report().process("asker-0").map_or(0, |asker| asker.lives);
    let answers = running.get::<Asker>("asker-0").map_or(0, |asker| asker.answers);
    assert!(lives > 20 && answers + 2 >= lives, "{answers} answers in {lives} lives");
}
