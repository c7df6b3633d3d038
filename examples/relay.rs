//! Shows a mail on its way: a client asks a relay, the relay passes the question on to a server, and the server's answer
//! goes straight back to the client, in the same thread. Ends by itself after one second.

use polycephaly::prelude::*;

#[derive(Component)]
struct Client;

impl Process for Client {
    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        cx.after(Duration::from_millis(200), |_, cx| {
            println!("client asks the relay for the square of 12");
            let question = Mail::to("relay").subject("square").body(12_u64);
            cx.ask_then(question, Duration::from_millis(500), Self::answered)?;
            Ok(())
        });
        Ok(())
    }
}

impl Client {
    fn answered(&mut self, reply: Result<&Mail, AskError>, cx: &mut Context<Self>) -> Result {
        let mail = reply?;
        let square = mail.get::<u64>().ok_or("the answer is no number")?;
        println!("client hears from {} at {:?}: {square}", mail.sender(), cx.now());
        cx.stop_application("the question is answered");
        Ok(())
    }
}

#[derive(Component)]
struct Relay;

impl Process for Relay {
    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        cx.add_filter(Filter::new().subject("square"), |_, mail, cx| {
            println!("relay passes on: {mail}");
            cx.forward("server");
            Ok(())
        })?;
        Ok(())
    }
}

#[derive(Component)]
struct Server;

impl Process for Server {
    fn birth(&mut self, cx: &mut Context<Self>) -> Result {
        cx.add_filter(Filter::new().subject("square"), |_, mail, cx| {
            let number = *mail.get::<u64>().ok_or("the question is no number")?;
            println!("server reads {mail}, relayed by {}", mail.relayed_by().collect::<Vec<_>>().join(", "));
            cx.reply(mail, number * number)?;
            Ok(())
        })?;
        Ok(())
    }
}

fn main() -> Exit {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    Application::new()
        .add_process(Client, (hz(50), Name::new("client")))
        .add_process(Relay, (hz(100), Name::new("relay")))
        .add_process(Server, (hz(20), Name::new("server")))
        .run()
}
