//! Shows filters: which callbacks a mail reaches, and what becomes of mail that nothing else matches. Ends by itself after
//! half a second.

use polycephaly::prelude::*;

#[derive(Component)]
struct Desk;

impl Process for Desk {
    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        // Any case; a regular expression matches from the start. All that match run, in this order.
        cx.add_filter(Filter::new().subject("Order").describe("orders"), |_, mail, _| {
            println!("order:        {}", mail.body());
            Ok(())
        })?;
        cx.add_filter(Filter::new().subject(regex("ord|inv")?).describe("the books"), |_, mail, _| {
            println!("for the books: {}", mail.body());
            Ok(())
        })?;
        // No condition: fall-through, runs only where nothing above did. There may be several.
        cx.add_filter(Filter::new().describe("waste paper"), |_, mail, _| {
            println!("waste paper:  {}", mail.body());
            Ok(())
        })?;
        for (id, filter) in cx.filters() {
            println!("filter {}: {}", id.as_str(), filter.description());
        }
        Ok(())
    }
}

#[derive(Component)]
struct Writer;

impl Process for Writer {
    fn life(&mut self, cx: &mut Context<Self>) -> Result {
        match cx.frame() {
            1 => cx.tell("desk", "order", "one wheel"),
            2 => cx.tell("desk", "invoice", "for one wheel"),
            3 => cx.tell("desk", "advertisement", "two wheels for one"),
            5 => cx.stop_application("all is written"),
            _ => {}
        }
        Ok(())
    }
}

fn main() -> Exit {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    Application::new()
        .add_process(Writer, (hz(10), Name::new("writer")))
        .add_process(Desk, (hz(10), Name::new("desk")))
        .run()
}
