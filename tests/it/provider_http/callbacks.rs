//! What a service hands to the provider runs outside of the provider's own runtime, and may use one.

use super::*;

/// Does what only a thread can that is in no runtime.
fn block() -> u32 {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        tokio::time::sleep(Duration::from_millis(1)).await;
        1
    })
}

#[test]
fn callbacks_may_use_a_runtime_of_their_own() {
    let server = Server::new(|_| Answer::json(document(1)));
    let blocked = Arc::new(Mutex::new([0; 3]));
    let note = |which: usize| {
        let blocked = Arc::clone(&blocked);
        move || blocked.lock().unwrap()[which] += block()
    };
    let (asked, warned, told) = (note(0), note(1), note(2));
    let flags = Flags::builder().build();
    let _subscription = flags.subscribe(move |_| told());
    polled(&server.url("/shop.json"))
        .stale_after(Duration::from_millis(200))
        .cache("/no/such/folder/flags.cache")
        .authorization(move || {
            asked();
            None
        })
        .on_warning(move |_| warned())
        .follow(&flags)
        .unwrap();
    let counts = || *blocked.lock().unwrap();
    until("each of them", || counts().iter().all(|count| *count > 0));
    let before = counts()[2];
    server.now(|_| Answer::new("503 Service Unavailable", &[("retry-after", "3600")], ""));
    until("the failure, and that it is stale", || {
        counts()[2] >= before + 2
    });
    assert_eq!(flags.status().state(), State::Stale);
}
