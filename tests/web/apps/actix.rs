//! The service on actix-web.

use std::io;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread;

use actix_web::body::MessageBody;
use actix_web::dev::{ServerHandle, Service as _, ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::http::{StatusCode, Uri};
use actix_web::middleware::{DefaultHeaders, Next, from_fn};
use actix_web::rt::System;
use actix_web::web::{self, Bytes, Data, ServiceConfig};
use actix_web::{App, Error, HttpRequest, HttpResponse, HttpServer, test};
use fader_actix::{
    Capture, FallBack, FlagGuard, FlagOn, FlagsMiddleware, InFlight, RequestScope, Routing,
    by_variant, gray, readiness, when,
};
use futures_util::{FutureExt, StreamExt, stream};

use crate::handlers::{self, Call, Reply, ReplyBody};
use crate::in_process::{Answer, InProcess, PEER};
use crate::service::{self, End, NEW_CHECKOUT, NewCheckout, RANKER, Service, Shared};

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    handle: ServerHandle,
}

impl Drop for Server {
    fn drop(&mut self) {
        // The command is sent at once; nobody waits for its end.
        drop(self.handle.stop(false));
    }
}

/// What the closure of a server takes with it to its worker.
#[derive(Clone)]
struct Parts {
    shared: Shared,
    in_flight: InFlight,
    fall_back: FallBack,
    routing: Routing,
}

pub(crate) fn serve(service: &Service) -> Server {
    let (parts, end) = (Parts::new(service), service.end);
    let (started, start) = mpsc::channel();
    thread::spawn(move || {
        System::new().block_on(async move {
            macro_rules! run {
                ($app:expr) => {{
                    let server = HttpServer::new(move || $app)
                        .workers(1)
                        .disable_signals()
                        .h1_allow_half_closed(false)
                        .bind(("127.0.0.1", 0))
                        .unwrap();
                    let address = server.addrs()[0];
                    let server = server.run();
                    started.send((address, server.handle())).unwrap();
                    server.await.unwrap();
                }};
            }
            match end {
                End::Head => run!(app(&parts).wrap(flags(&parts))),
                End::Body => run!(app(&parts).wrap(flags(&parts).until_body_end())),
                End::NoLayer => run!(app(&parts)),
            }
        });
    });
    let (address, handle) = start.recv().unwrap();
    Server { address, handle }
}

/// The service without a socket; the layer ends requests at the head.
pub(crate) fn in_process(service: &Service) -> InProcess {
    let parts = Parts::new(service);
    let app = app(&parts).wrap(flags(&parts));
    let app = System::new().block_on(test::init_service(app));
    Box::new(move |plain| {
        let mut request = test::TestRequest::default().peer_addr(PEER).to_request();
        request.head_mut().uri = Uri::try_from(plain.target).ok()?;
        for (name, value) in plain.headers {
            let value = HeaderValue::from_bytes(value).ok()?;
            let name = HeaderName::from_static(name);
            request.head_mut().headers_mut().append(name, value);
        }
        let response = app.call(request).now_or_never();
        let response = response.expect("nothing is waited for").unwrap();
        let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
        let headers = response.headers().iter();
        Some(Answer {
            headers: headers
                .map(|(name, value)| (name.to_string(), text(value)))
                .collect(),
        })
    })
}

type Attributes = fn(&ServiceRequest, &mut Capture<'_>);

fn flags(parts: &Parts) -> FlagsMiddleware<Attributes> {
    FlagsMiddleware::new(parts.routing.clone())
        .attributes(|_, capture| service::attributes(capture))
}

impl Parts {
    fn new(service: &Service) -> Self {
        Self {
            shared: service.shared.clone(),
            in_flight: service.in_flight.clone(),
            fall_back: service.fall_back,
            routing: service.routing.clone(),
        }
    }

    fn routes(&self, config: &mut ServiceConfig) {
        let arms = || gray(&NEW_CHECKOUT, web::to(gray_arm), web::to(stable_arm));
        let ranker = by_variant(&RANKER, web::to(async || "otherwise"))
            .arm("a", web::to(async || "arm a"))
            .arm("b", web::to(async || "arm b"));
        let new_or_old = || gray(&NEW_CHECKOUT, web::to(new), web::to(old));
        config
            .app_data(Data::new(self.shared.clone()))
            .route("/checkout", web::route().service(arms()))
            .route("/arm/{path:.*}", web::route().service(arms()))
            .route(
                "/fallback/{path:.*}",
                web::route().service(arms().fall_back(self.fall_back)),
            )
            .route("/carts/{id}", web::to(plain))
            .route("/carts/{id}/items/{item}", web::to(plain))
            .service(web::scope("/shop").route("/carts/{id}", web::to(plain)))
            .route("/files/{rest:.*}", web::to(plain))
            .route("/ranker", web::route().service(ranker))
            .service(
                web::resource("/gate")
                    .route(web::route().guard(FlagGuard::on(&NEW_CHECKOUT)).to(inside))
                    .default_service(web::to(HttpResponse::NotFound)),
            )
            .route("/flag-on", web::to(flag_on))
            .service(
                web::resource("/or")
                    .route(web::route().guard(FlagGuard::on(&NEW_CHECKOUT)).to(new))
                    .route(web::route().guard(FlagGuard::off(&NEW_CHECKOUT)).to(old)),
            )
            .service(
                web::resource("/all")
                    .guard(FlagGuard::on(&NEW_CHECKOUT))
                    .route(web::route().service(new_or_old())),
            )
            .service(web::resource("/all").route(web::route().service(new_or_old())))
            .service(
                web::resource("/when")
                    .wrap(when(
                        &NEW_CHECKOUT,
                        DefaultHeaders::new().add(("x-when", "on")),
                    ))
                    .to(async || "inner"),
            )
            .route("/upgrade", web::to(upgrade))
            .route("/option", web::to(option))
            .route("/ready", web::to(readiness(self.in_flight.clone())))
            .default_service(web::to(plain));
    }
}

fn app(
    parts: &Parts,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody + use<>>,
        Error = Error,
        InitError = (),
    > + use<>,
> {
    App::new()
        .configure(|config| parts.routes(config))
        .wrap(from_fn(swap))
}

/// Between the layer and the routing: makes another document live, or reads the flag early.
async fn swap(
    shared: Data<Shared>,
    scope: Option<RequestScope>,
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let Some(scope) = scope else {
        return next.call(request).await;
    };
    let header = |name| request.headers().get(name).and_then(|it| it.to_str().ok());
    let early = header("x-middleware").map(|_| handlers::variant(&scope));
    if let Some(name) = header("x-swap") {
        shared.swap(name);
    }
    let mut response = next.call(request).await?;
    if let Some(variant) = early {
        let name = HeaderName::from_static("x-middleware");
        let variant = HeaderValue::from_static(variant);
        response.headers_mut().insert(name, variant);
    }
    Ok(response)
}

async fn gray_arm(
    shared: Data<Shared>,
    scope: RequestScope,
    request: HttpRequest,
    body: Bytes,
) -> HttpResponse {
    respond(handlers::gray(&shared, &scope, call(&request, body)).await)
}

async fn stable_arm(
    shared: Data<Shared>,
    scope: Option<RequestScope>,
    request: HttpRequest,
    body: Bytes,
) -> HttpResponse {
    match scope {
        Some(scope) => respond(handlers::stable(&shared, &scope, call(&request, body)).await),
        None => HttpResponse::Ok().body("stable"),
    }
}

async fn plain(scope: RequestScope, request: HttpRequest, body: Bytes) -> HttpResponse {
    respond(handlers::answer(&scope, call(&request, body)).await)
}

async fn new(_: FlagOn<NewCheckout>, scope: RequestScope) -> String {
    format!("new {}", handlers::variant(&scope))
}

async fn old(scope: Option<RequestScope>) -> String {
    match scope {
        Some(scope) => format!("old {}", handlers::variant(&scope)),
        None => "old".to_owned(),
    }
}

async fn inside() -> &'static str {
    "inside"
}

async fn flag_on(_: FlagOn<NewCheckout>) -> &'static str {
    "inside"
}

async fn option(scope: Option<RequestScope>) -> &'static str {
    match scope {
        Some(_) => "a scope",
        None => "no scope",
    }
}

/// Turns the connection into one that echoes, until its scope is retired.
async fn upgrade(scope: RequestScope, payload: web::Payload) -> HttpResponse {
    scope.enter(&NEW_CHECKOUT);
    let pieces = stream::unfold(Some((payload, scope)), |open| async {
        let (mut payload, scope) = open?;
        tokio::select! {
            piece = payload.next() => match piece {
                Some(Ok(bytes)) => Some((Ok::<_, io::Error>(bytes), Some((payload, scope)))),
                _ => None,
            },
            () = scope.retired() => Some((Ok(Bytes::from_static(b"retired")), None)),
        }
    });
    HttpResponse::SwitchingProtocols()
        .upgrade("websocket")
        .streaming(pieces)
}

fn call(request: &HttpRequest, body: Bytes) -> Call {
    let uri = request.uri();
    let gray = request.headers().get("x-gray");
    let gray = gray.and_then(|it| it.to_str().ok()).map(str::to_owned);
    let call = Call::new(request.method().as_str(), uri.path(), uri.query(), body);
    Call { gray, ..call }
}

fn respond(reply: Reply) -> HttpResponse {
    let mut response = HttpResponse::build(StatusCode::from_u16(reply.status).unwrap());
    for (name, value) in reply.headers {
        response.append_header((name, value));
    }
    match reply.body {
        ReplyBody::Whole(bytes) => response.body(bytes),
        ReplyBody::Stream(pieces) => response.streaming(pieces),
    }
}
