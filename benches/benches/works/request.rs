//! A request through the adapter: attributes captured, a scope pinned, three flags read.

use fader::Flags;
use fader_benches::{User, documents, mixed};

use crate::evaluate::Asked;
use crate::report::{Report, task};
use crate::service::{self, ByHand};

pub fn measure(report: &mut Report) {
    if !report.wants("request/three") && !report.wants("request/three-of-1000") {
        return;
    }
    // The users of a service outlive its requests.
    let users: &'static [User] = Asked::new().users.leak();
    three(report, "request/three", documents::flags(10_000), users);
    three(
        report,
        "request/three-of-1000",
        documents::flags_among(10_000, &mixed(993)),
        users,
    );
}

fn three(report: &mut Report, name: &str, flags: Flags, users: &'static [User]) {
    let request = |at: usize| Some(service::request(&users[at % users.len()]));
    let (mut layered, mut by_hand) = (service::layered(flags), ByHand::new());
    report.measure(
        name,
        task(request, |request| {
            request
                .take()
                .map(|request| service::answer(&mut layered, request))
        }),
        Some(task(request, |request| {
            request
                .take()
                .map(|request| service::answer(&mut by_hand, request))
        })),
    );
}
