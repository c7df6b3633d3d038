//! Shows the smallest application with mail: one process greets the main one, who ends the application after three
//! greetings.

use polycephaly::prelude::*;

#[derive(Component)]
struct Hello;

impl Process for Hello {
    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        cx.tell("main", "salutation", "Hello, World!");
        Ok(())
    }
}

#[derive(Component)]
struct Main {
    heard: u32,
}

impl Process for Main {
    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        cx.add_filter(Filter::new().subject("salutation"), Self::salutation)?;
        Ok(())
    }
}

impl Main {
    fn salutation(&mut self, mail: &Mail, cx: &mut Context<Self>) -> Result {
        println!("{} says {}", mail.sender(), mail.body());
        self.heard += 1;
        if self.heard == 3 {
            cx.die("heard enough");
        }
        Ok(())
    }
}

fn main() -> Exit {
    Application::new().add_main(Main { heard: 0 }, hz(5)).add_process(Hello, (Name::new("hello"), hz(2))).run()
}
