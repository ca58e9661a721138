//! What an adapter tells of its request.

use std::net::IpAddr;

/// A request as the adapter of a web framework sees it: parts are handed out as they came, and nothing is decoded.
pub trait RequestView {
    /// Returns the method, such as `GET`.
    fn method(&self) -> &str;

    /// Returns the path as it came, without the query.
    fn path(&self) -> &str;

    /// Returns the query as it came, without the `?`. By default there is none.
    fn query(&self) -> Option<&str> {
        None
    }

    /// Returns the pattern of the route that matched, such as `/carts/{id}`, as the framework spells it. By default it
    /// is not known.
    fn route(&self) -> Option<&str> {
        None
    }

    /// Returns the authority of the request's target, where it has one: `:authority` of HTTP/2, or that of an absolute
    /// target in HTTP/1.1. By default there is none, and the header `host` counts.
    fn authority(&self) -> Option<&str> {
        None
    }

    /// Returns the first header of that name, whatever its case.
    fn header(&self, name: &str) -> Option<&[u8]>;

    /// Hands out all headers of that name, whatever its case, in the order in which they came. None may be left out: a
    /// proxy may write what it says of the client behind what the client wrote, as a header of its own.
    fn headers<'a>(&'a self, name: &str, each: &mut dyn FnMut(&'a [u8]));

    /// Returns the address at the other end of the connection, which may be a proxy's.
    fn peer(&self) -> Option<IpAddr>;
}
