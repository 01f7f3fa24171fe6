//! The address at which this machine reaches its own server.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The address to speak to: loopback for a server that listens on every address.
pub(super) fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_on_every_address_is_reached_on_loopback() {
        for (listen, reached) in [
            ("0.0.0.0:9324", "127.0.0.1:9324"),
            ("[::]:9324", "[::1]:9324"),
            ("10.0.0.7:9324", "10.0.0.7:9324"),
        ] {
            assert_eq!(reachable(listen.parse().unwrap()), reached.parse().unwrap(), "{listen}");
        }
    }
}
