//! Shows a driver that fails at random, is born again with growing pauses, is given up, and its fallback takes over.

use polycephaly::prelude::*;
use polycephaly::rand::RngExt;

/// What the driver tells and the pilot reads.
#[derive(Clone, Copy)]
struct Speed(f64);

/// Talks to a bad cable.
#[derive(Component, Clone, Default)]
struct Driver {
    speed: f64,
}

impl Process for Driver {
    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        println!("{:>5} ms  driver opens the port", cx.now().as_millis());
        Ok(())
    }

    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        if cx.rng().random_ratio(1, 15) {
            Err("no answer from the motor")?;
        }
        self.speed += 0.1;
        cx.publish(Speed(self.speed));
        Ok(())
    }

    fn death(&mut self, cx: &mut Context<Self>) -> Result {
        println!("{:>5} ms  driver closes the port: {}", cx.now().as_millis(), cx.cause().ok_or("no cause")?);
        Ok(())
    }
}

/// Waits until the driver is given up; then lets the robot roll out.
#[derive(Component)]
struct Parking;

impl Process for Parking {
    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        println!("{:>5} ms  parking takes over", cx.now().as_millis());
        Ok(())
    }

    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        let speed = cx.latest::<Speed>().map_or(0.0, |speed| speed.0 * 0.7);
        cx.publish(Speed(speed));
        if speed < 0.01 {
            cx.stop_application("the robot stands");
        }
        Ok(())
    }
}

fn main() -> Exit {
    tracing_subscriber::fmt().with_target(false).with_env_filter("error").init();
    let backoff = Backoff { first: Duration::from_millis(50), ..Backoff::default() };
    // At the fourth failure within ten seconds, it is given up.
    let restart = Restart::new().backoff(backoff).at_most(3, Duration::from_secs(10));
    Application::new()
        .seed(7)
        .add_process(
            Driver::default(),
            (
                hz(50),
                Name::new("driver"),
                Supervision::both(restart).fallback("parking"),
                Renewal::<Driver>::first_state(),
            ),
        )
        .add_process(Parking, (hz(50), Name::new("parking"), Autostart(false)))
        .run()
}
