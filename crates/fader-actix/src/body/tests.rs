use std::convert::Infallible;

use actix_web::body::{self, BodyStream, SizedStream};
use actix_web::dev::{Service as _, ServiceRequest};
use actix_web::error::ErrorInternalServerError;
use actix_web::test::{self, TestRequest};
use actix_web::{App, Error, HttpResponse, rt, web};
use fader::Ending;
use futures_util::stream;

use super::*;
use crate::testing::{Drawn, NEW_CHECKOUT};
use crate::view::View;
use crate::{FlagsMiddleware, RequestScope};

/// The response of a handler within the middleware that follows bodies.
async fn respond(
    drawn: &Drawn,
    request: TestRequest,
    make: fn() -> HttpResponse,
) -> ServiceResponse<impl MessageBody + use<>> {
    let handler = move |scope: RequestScope| async move {
        assert!(*scope.enter(&NEW_CHECKOUT));
        make()
    };
    let middleware = FlagsMiddleware::new(drawn.routing.clone()).until_body_end();
    let app = App::new()
        .default_service(web::to(handler))
        .wrap(middleware);
    let app = test::init_service(app).await;
    app.call(request.to_request()).await.unwrap()
}

fn chunks(count: usize) -> impl stream::Stream<Item = Result<Bytes, Infallible>> {
    stream::iter(vec![Ok(Bytes::from_static(b"chunk")); count])
}

fn stream(count: usize) -> HttpResponse {
    HttpResponse::Ok().body(BodyStream::new(chunks(count)))
}

#[actix_web::test]
async fn a_stream_ends_with_its_last_chunk() {
    let drawn = Drawn::new();
    let response = respond(&drawn, TestRequest::get(), || stream(3)).await;
    assert_eq!(response.response().body().size(), BodySize::Stream);
    assert!(drawn.endings().is_empty());
    assert_eq!(drawn.in_flight(), 1);
    assert_eq!(test::read_body(response).await, "chunkchunkchunk");
    assert_eq!(drawn.endings(), [Ending::Success]);
    assert_eq!(drawn.in_flight(), 0);
}

#[actix_web::test]
async fn what_has_no_body_ends_at_the_head() {
    let cases: [(_, fn() -> HttpResponse); 6] = [
        (TestRequest::get(), || HttpResponse::Ok().finish()),
        (TestRequest::get(), || HttpResponse::Ok().body("")),
        (TestRequest::default().method(Method::HEAD), || stream(1)),
        (TestRequest::get(), || {
            HttpResponse::NoContent().body(BodyStream::new(chunks(1)))
        }),
        (TestRequest::get(), || {
            HttpResponse::NotModified().body(BodyStream::new(chunks(1)))
        }),
        (TestRequest::get(), || {
            HttpResponse::SwitchingProtocols().body(BodyStream::new(chunks(1)))
        }),
    ];
    for (number, (request, make)) in cases.into_iter().enumerate() {
        let drawn = Drawn::new();
        let response = respond(&drawn, request, make).await;
        assert_eq!(drawn.endings().len(), 1, "{number}");
        drop(response);
        assert!(drawn.endings().is_empty(), "{number}");
        assert_eq!(drawn.in_flight(), 0, "{number}");
    }
}

#[actix_web::test]
async fn a_body_of_known_size_ends_with_its_last_byte() {
    let sized = || HttpResponse::Ok().body(SizedStream::new(10, chunks(2)));
    let drawn = Drawn::new();
    let response = respond(&drawn, TestRequest::get(), sized).await;
    assert_eq!(response.response().body().size(), BodySize::Sized(10));
    let mut body = Box::pin(response.into_body());
    for endings in [0, 1] {
        let next = std::future::poll_fn(|cx| body.as_mut().poll_next(cx)).await;
        assert_eq!(next.unwrap().ok().unwrap(), "chunk");
        assert_eq!(drawn.endings().len(), endings);
    }
    drop(body);
    assert!(drawn.endings().is_empty());
}

#[actix_web::test]
async fn a_body_that_is_whole_ends_when_it_is_taken() {
    let whole = || HttpResponse::NotFound().body("whole");
    let drawn = Drawn::new();
    let response = respond(&drawn, TestRequest::get(), whole).await;
    assert!(drawn.endings().is_empty());
    let boxed = BoxBody::new(response.into_body());
    assert_eq!(drawn.endings(), [Ending::ClientError]);
    assert_eq!(boxed.size(), BodySize::Sized(5));
    assert_eq!(body::to_bytes(boxed).await.ok().unwrap(), "whole");
    assert_eq!(drawn.in_flight(), 0);

    // One that is not whole is handed back, and is still followed.
    let response = respond(&drawn, TestRequest::get(), || stream(1)).await;
    let boxed = BoxBody::new(response.into_body());
    assert!(drawn.endings().is_empty());
    assert_eq!(body::to_bytes(boxed).await.ok().unwrap(), "chunk");
    assert_eq!(drawn.endings(), [Ending::Success]);
}

#[actix_web::test]
async fn a_stream_that_breaks_off_is_an_error() {
    let broken = || {
        let chunks = [
            Ok(Bytes::from("chunk")),
            Err(ErrorInternalServerError("broken")),
        ];
        HttpResponse::Ok().streaming(stream::iter(chunks))
    };
    let drawn = Drawn::new();
    let response = respond(&drawn, TestRequest::get(), broken).await;
    assert!(body::to_bytes(response.into_body()).await.is_err());
    assert_eq!(drawn.endings(), [Ending::ServerError]);
    assert_eq!(drawn.in_flight(), 0);
}

#[actix_web::test]
async fn a_stream_that_is_dropped_or_panics_is_told_so() {
    let drawn = Drawn::new();
    let endless = || HttpResponse::Ok().streaming(stream::pending::<Result<_, Error>>());
    drop(respond(&drawn, TestRequest::get(), endless).await);
    assert_eq!(drawn.endings(), [Ending::Dropped]);

    let panics = || {
        let chunks =
            stream::poll_fn(|_| -> Poll<Option<Result<_, Error>>> { panic!("on purpose") });
        HttpResponse::Ok().streaming(chunks)
    };
    let response = respond(&drawn, TestRequest::get(), panics).await;
    let panicked = rt::spawn(async { test::read_body(response).await });
    assert!(panicked.await.unwrap_err().is_panic());
    assert_eq!(drawn.endings(), [Ending::Panic]);
    assert_eq!(drawn.in_flight(), 0);
}

#[actix_web::test]
async fn at_the_head_a_body_is_left_alone() {
    let cases: [(fn() -> HttpResponse, _, _, _); 3] = [
        (
            || HttpResponse::Ok().body("whole"),
            BodySize::Sized(5),
            true,
            "whole",
        ),
        (
            || HttpResponse::Ok().body(SizedStream::new(10, chunks(2))),
            BodySize::Sized(10),
            false,
            "chunkchunk",
        ),
        (|| stream(3), BodySize::Stream, false, "chunkchunkchunk"),
    ];
    let drawn = Drawn::new();
    let respond = |make: fn() -> HttpResponse| {
        let tracker = drawn.routing.pin(&View::new(&request()), |_| {});
        assert!(*tracker.scope().enter(&NEW_CHECKOUT));
        let response = track(tracker, request().into_response(make()), false);
        assert_eq!(drawn.endings(), [Ending::Success]);
        assert_eq!(drawn.in_flight(), 0);
        response
    };
    for (make, size, is_whole, all) in cases {
        let body = respond(make).into_body();
        assert_eq!(body.size(), size);
        assert_eq!(body.try_into_bytes().is_ok(), is_whole);
        assert_eq!(test::read_body(respond(make)).await, all);
        assert!(drawn.endings().is_empty());
    }
}

#[actix_web::test]
async fn a_body_that_is_left_alone_is_not_boxed_again() {
    /// A body that tells by what it is boxed.
    struct Body;

    impl MessageBody for Body {
        type Error = Infallible;

        fn size(&self) -> BodySize {
            BodySize::Stream
        }

        fn poll_next(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Bytes, Infallible>>> {
            Poll::Ready(None)
        }

        fn boxed(self) -> BoxBody {
            BoxBody::new("its own")
        }
    }

    let drawn = Drawn::new();
    for until_body_end in [false, true] {
        let tracker = drawn.routing.pin(&View::new(&request()), |_| {});
        let _ = tracker.scope().get(&NEW_CHECKOUT);
        let response = request().into_response(HttpResponse::Ok().message_body(Body).unwrap());
        let boxed = track(tracker, response, until_body_end).map_into_boxed_body();
        assert_eq!(drawn.endings().len(), usize::from(!until_body_end));
        let expected = if until_body_end { "" } else { "its own" };
        assert_eq!(test::read_body(boxed).await, expected);
        assert_eq!(drawn.endings().len(), usize::from(until_body_end));
    }
}

fn request() -> ServiceRequest {
    TestRequest::get().to_srv_request()
}
