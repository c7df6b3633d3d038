//! Shows the smallest application: one process says hello three times, twice a second, and the application ends.

use polycephaly::prelude::*;

#[derive(Component)]
struct Hello {
    left: u32,
}

impl Process for Hello {
    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        println!("{} says Hello, World!", cx.name());
        self.left -= 1;
        if self.left == 0 {
            cx.die("said it all");
        }
        Ok(())
    }
}

fn main() -> Exit {
    Application::new().add_process(Hello { left: 3 }, (Name::new("hello"), hz(2))).run()
}
