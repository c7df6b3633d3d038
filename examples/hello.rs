//! Shows the smallest application with mail: one process greets the main one, twice a second. Ends by itself after two seconds.

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
struct Main;
impl Process for Main {
    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        cx.add_filter(Filter::new().subject("salutation"), |_, mail, _| {
            println!("{} says {}", mail.sender(), mail.body());
            Ok(())
        })?;
        Ok(())
    }
}

fn main() -> Exit {
    Application::new().add_main(Main, hz(5)).add_process(Hello, hz(2)).run_for(Duration::from_secs(2))
}
