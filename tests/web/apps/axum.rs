//! The service on axum.

use std::io;
use std::net::SocketAddr;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, FromRequest, Request, State};
use axum::http::header::{CONNECTION, UPGRADE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, any_service, get};
use axum_extra::handler::HandlerCallWithExtractors;
use fader_axum::{FlagOn, FlagsLayer, RequestScope, by_variant, gate, gray, readiness};
use futures_util::FutureExt;
use http_body::Frame;
use http_body_util::StreamBody;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tower_service::Service as _;

use crate::handlers::{self, Call, Reply, ReplyBody};
use crate::in_process::{Answer, InProcess, PEER};
use crate::service::{self, End, NEW_CHECKOUT, NewCheckout, RANKER, Service, Shared};

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    runtime: Option<Runtime>,
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

pub(crate) fn serve(service: &Service) -> Server {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let app = app(service).into_make_service_with_connect_info::<SocketAddr>();
    runtime.spawn(async move { axum::serve(listener, app).await });
    Server {
        address,
        runtime: Some(runtime),
    }
}

/// The service without a socket.
pub(crate) fn in_process(service: &Service) -> InProcess {
    let mut app = app(service);
    Box::new(move |plain| {
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = Uri::try_from(plain.target).ok()?;
        request.extensions_mut().insert(ConnectInfo(PEER));
        for (name, value) in plain.headers {
            let value = HeaderValue::from_bytes(value).ok()?;
            request.headers_mut().append(*name, value);
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

fn app(service: &Service) -> Router {
    let layer = FlagsLayer::new(service.routing.clone())
        .attributes(|_, capture| service::attributes(capture));
    let routes = routes(service);
    match service.end {
        End::Head => routes.layer(layer),
        End::Body => routes.layer(layer.until_body_end()),
        End::NoLayer => routes,
    }
}

fn routes(service: &Service) -> Router {
    let shared = service.shared.clone();
    let arms = || gray(&NEW_CHECKOUT, gray_arm, stable_arm);
    let ranker = by_variant(&RANKER, async || "otherwise")
        .arm("a", async || "arm a")
        .arm("b", async || "arm b");
    Router::new()
        .route("/checkout", any(arms()))
        .route("/arm/{*path}", any(arms()))
        .route(
            "/fallback/{*path}",
            any(arms().fall_back(service.fall_back)),
        )
        .route("/carts/{id}", any(plain))
        .route("/carts/{id}/items/{item}", any(plain))
        .nest("/shop", Router::new().route("/carts/{id}", any(plain)))
        .route("/files/{*rest}", any(plain))
        .route("/ranker", any(ranker))
        .route("/gate", get(inside).route_layer(gate(&NEW_CHECKOUT)))
        .route("/flag-on", any(flag_on))
        .route("/or", any(new.or(old)))
        .route("/all", any(gray(&NEW_CHECKOUT, new.or(old), old)))
        .route("/when", any_service(when()))
        .route("/upgrade", any(upgrade))
        .route("/grpc", any(grpc))
        .route("/option", any(option))
        .route("/ready", readiness(service.in_flight.clone()))
        .fallback(plain)
        .layer(from_fn_with_state(shared.clone(), swap))
        .with_state(shared)
}

/// Middleware that runs only where the flag is on: two services, of which one has the middleware.
fn when() -> Router {
    let inner = Router::new().fallback(|| async { "inner" });
    let mark = from_fn(|request: Request, next: Next| async {
        let mut response = next.run(request).await;
        let on = HeaderValue::from_static("on");
        response.headers_mut().insert("x-when", on);
        response
    });
    let marked = inner.clone().layer(mark);
    Router::new().fallback_service(gray(&NEW_CHECKOUT, marked, inner))
}

/// Between the layer and the handlers: makes another document live, or reads the flag early.
async fn swap(
    State(shared): State<Shared>,
    scope: Option<RequestScope>,
    request: Request,
    next: Next,
) -> Response {
    let Some(scope) = scope else {
        return next.run(request).await;
    };
    let headers = request.headers();
    let early = headers.contains_key("x-middleware");
    let early = early.then(|| handlers::variant(&scope));
    if let Some(name) = headers.get("x-swap") {
        shared.swap(name.to_str().unwrap());
    }
    let mut response = next.run(request).await;
    if let Some(variant) = early {
        let variant = HeaderValue::from_static(variant);
        response.headers_mut().insert("x-middleware", variant);
    }
    response
}

async fn gray_arm(
    State(shared): State<Shared>,
    scope: RequestScope,
    Called(call): Called,
) -> Response {
    respond(handlers::gray(&shared, &scope, call).await)
}

async fn stable_arm(
    State(shared): State<Shared>,
    scope: Option<RequestScope>,
    Called(call): Called,
) -> Response {
    match scope {
        Some(scope) => respond(handlers::stable(&shared, &scope, call).await),
        None => "stable".into_response(),
    }
}

async fn plain(scope: RequestScope, Called(call): Called) -> Response {
    respond(handlers::answer(&scope, call).await)
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
async fn upgrade(scope: RequestScope, request: Request) -> Response {
    scope.enter(&NEW_CHECKOUT);
    tokio::spawn(async move {
        let Ok(upgraded) = hyper::upgrade::on(request).await else {
            return;
        };
        let mut connection = TokioIo::new(upgraded);
        let mut bytes = [0; 1024];
        loop {
            tokio::select! {
                read = connection.read(&mut bytes) => match read {
                    Ok(count @ 1..) => { let _ = connection.write_all(&bytes[..count]).await; }
                    _ => return,
                },
                () = scope.retired() => {
                    let _ = connection.write_all(b"retired").await;
                    let _ = connection.shutdown().await;
                    return;
                }
            }
        }
    });
    let headers = [(CONNECTION, "upgrade"), (UPGRADE, "websocket")];
    (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
}

/// A body with trailers.
async fn grpc(scope: RequestScope, uri: Uri) -> Response {
    scope.enter(&NEW_CHECKOUT);
    let status = uri.query().unwrap_or_default().replace("status=", "");
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", status.parse().unwrap());
    let frames = [
        Ok::<_, io::Error>(Frame::data(Bytes::from("message"))),
        Ok(Frame::trailers(trailers)),
    ];
    let body = Body::new(StreamBody::new(futures_util::stream::iter(frames)));
    let headers = [
        ("content-type", "application/grpc"),
        ("trailer", "grpc-status"),
    ];
    (headers, body).into_response()
}

/// What a handler has of its request; the body is read whole.
struct Called(Call);

impl FromRequest<Shared> for Called {
    type Rejection = Response;

    async fn from_request(request: Request, state: &Shared) -> Result<Self, Response> {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let gray = request.headers().get("x-gray");
        let gray = gray.and_then(|it| it.to_str().ok()).map(str::to_owned);
        let body = Bytes::from_request(request, state).await;
        let body = body.map_err(IntoResponse::into_response)?;
        let call = Call::new(method.as_str(), uri.path(), uri.query(), body);
        Ok(Self(Call { gray, ..call }))
    }
}

fn respond(reply: Reply) -> Response {
    let body = match reply.body {
        ReplyBody::Whole(bytes) => Body::from(bytes),
        ReplyBody::Stream(pieces) => Body::from_stream(pieces),
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap();
    for (name, value) in reply.headers {
        let name = HeaderName::try_from(name).unwrap();
        let value = HeaderValue::try_from(value).unwrap();
        response.headers_mut().append(name, value);
    }
    response
}
