//! The servers: each framework bare, behind the layer, with outcomes told, and with a controller that judges them.

use std::str::FromStr;

use actix_web::{App, HttpServer, http::KeepAlive, rt::System, web};
use anyhow::bail;
use axum::{Router, routing::get};
use fader::Flags;
use fader_axum::{Capture, Routing};

use crate::flags::{self, BARE, PATH, Told};
use crate::server;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Framework {
    Axum,
    Actix,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Variant {
    /// The framework with a handler that asks nothing.
    Bare,
    /// The layer, and a handler that asks three flags.
    Layer,
    /// The same with two of the flags guarded, and a sink that is told how requests end.
    Outcomes,
    /// The same run by a controller, with three guardrails each: what is counted, and what it does each second.
    Controller,
}

impl Framework {
    pub const ALL: [Self; 2] = [Self::Axum, Self::Actix];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Axum => "axum",
            Self::Actix => "actix",
        }
    }
}

impl Variant {
    pub const ALL: [Self; 4] = [Self::Bare, Self::Layer, Self::Outcomes, Self::Controller];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Layer => "layer",
            Self::Outcomes => "outcomes",
            Self::Controller => "controller",
        }
    }
}

impl FromStr for Framework {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> anyhow::Result<Self> {
        match Self::ALL.into_iter().find(|it| it.as_str() == name) {
            Some(framework) => Ok(framework),
            None => bail!("unknown framework `{name}`"),
        }
    }
}

impl FromStr for Variant {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> anyhow::Result<Self> {
        match Self::ALL.into_iter().find(|it| it.as_str() == name) {
            Some(variant) => Ok(variant),
            None => bail!("unknown variant `{name}`"),
        }
    }
}

/// Serves on a free port until its input ends.
pub fn serve(framework: Framework, variant: Variant) -> anyhow::Result<()> {
    let (flags, told): (_, Told) = match variant {
        Variant::Bare => (None, Box::new(|| 0)),
        Variant::Layer => (Some(flags::unwatched()), Box::new(|| 0)),
        Variant::Outcomes => {
            let (flags, told) = flags::watched();
            (Some(flags), told)
        }
        Variant::Controller => {
            let (flags, told) = flags::controlled()?;
            (Some(flags), told)
        }
    };
    match framework {
        Framework::Axum => serve_axum(flags, told),
        Framework::Actix => serve_actix(flags, told),
    }
}

fn serve_axum(flags: Option<Flags>, told: Told) -> anyhow::Result<()> {
    async fn ask(scope: fader_axum::RequestScope) -> &'static str {
        flags::answer::<fader_axum::RequestAttributes>(&scope)
    }

    let app: Router = match flags {
        None => Router::new().route(PATH, get(async || BARE)),
        Some(flags) => {
            let layer = fader_axum::FlagsLayer::new(flags).attributes(|_, capture| login(capture));
            Router::new().route(PATH, get(ask)).layer(layer)
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        server::answer(listener.local_addr()?.port(), told);
        Ok(axum::serve(listener, app).await?)
    })
}

fn serve_actix(flags: Option<Flags>, told: Told) -> anyhow::Result<()> {
    async fn ask(scope: fader_actix::RequestScope) -> &'static str {
        flags::answer::<fader_actix::RequestAttributes>(&scope)
    }

    // The types of an app with a middleware and of one without are not the same, nor are those of their servers.
    macro_rules! run {
        ($app:expr) => {{
            let server = HttpServer::new($app)
                .workers(1)
                .disable_signals()
                // The connections are idle while other servers have their turn.
                .keep_alive(KeepAlive::Os)
                .bind(("127.0.0.1", 0))?;
            let port = server.addrs()[0].port();
            server::answer(port, told);
            Ok(System::new().block_on(server.run())?)
        }};
    }
    let Some(flags) = flags else {
        return run!(|| App::new().route(PATH, web::get().to(async || BARE)));
    };
    let routing = Routing::new(flags);
    run!(move || {
        let middleware = fader_actix::FlagsMiddleware::new(routing.clone());
        App::new()
            .route(PATH, web::get().to(ask))
            .wrap(middleware.attributes(|_, capture| login(capture)))
    })
}

/// Adds what a service knows of who asks; here the request says it.
fn login(capture: &mut Capture<'_>) {
    if let Some(user) = capture.header("x-user-id") {
        capture.set_untyped(fader::TARGETING_KEY, user);
        capture.set_untyped("user.id", user);
    }
}
