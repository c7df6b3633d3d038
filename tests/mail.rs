//! Mail from process to process: the common ways.

use polycephaly::prelude::*;

#[derive(Component, Default)]
struct Pinger {
    got: Vec<String>,
}

impl Process for Pinger {
    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        cx.add_filter(Filter::new().subject("ping"), |this, mail, _| {
            this.got.push(format!("{mail}"));
            Ok(())
        })?;
        Ok(())
    }

    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        if cx.frame() == 1 {
            cx.send(Mail::to("PONG").subject("ping").body(7_u64))?;
            cx.ask_then(
                Mail::to("pong").subject("question").body("why?"),
                Duration::from_secs(1),
                |this, reply, _| {
                    this.got.push(match reply {
                        Ok(mail) => format!("answer {}", mail.body()),
                        Err(error) => error.to_string(),
                    });
                    Ok(())
                },
            )?;
        }
        Ok(())
    }
}

#[derive(Component, Default)]
struct Ponger;

impl Process for Ponger {
    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        cx.add_filter(Filter::new().subject(regex("pi.g")?), |_, mail, cx| {
            cx.reply(mail, *mail.get::<u64>().ok_or("no number")? + 1)?;
            Ok(())
        })?;
        cx.add_filter(Filter::new(), |_, mail, cx| {
            cx.reply(mail, "because")?;
            Ok(())
        })?;
        Ok(())
    }
}

#[test]
fn a_question_and_a_ping_come_back() {
    let mut running = Application::new()
        .clock(Clock::simulated())
        .add_process(Pinger::default(), (hz(10), Name::new("ping")))
        .add_process(Ponger, (hz(10), Name::new("pong")))
        .build()
        .unwrap();
    running.run_for(Duration::from_millis(500));
    let got = &running.get::<Pinger>("ping").unwrap().got;
    assert_eq!(*got, [r#"pong -> ping "ping" #1 at 0ns: (u64)"#, "answer because"]);
    running.finish().assert_clean();
}
