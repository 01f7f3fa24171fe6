//! Finds out whether a process group holds the other end of a local TCP connection, in `/proc`.

use std::{
    fs,
    io::{self, ErrorKind},
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

use super::group;

/// The holder of the other end of a local connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PeerHolder {
    /// A process of the group.
    Group,
    /// Another process, or one that `/proc` does not show.
    Other,
    /// No process any more: the peer has closed its end, or has ended.
    Nobody,
}

/// The holder of the connection from `peer` to this process's socket at `own`, which reads files of `/proc`.
///
/// A process whose descriptors this one may not read counts by its user: another process of that user could read the
/// memory of the group's processes anyway. Where `/proc` shows no sockets, every peer counts as another process. Other
/// systems than Linux have no `/proc`, and every peer counts as of the group.
///
/// A table that changes while it is read may lack an entry, so only the answer of several reads is sure.
pub(crate) fn peer_holder(peer: SocketAddr, own: SocketAddr, group: u32) -> PeerHolder {
    if cfg!(not(target_os = "linux")) {
        return PeerHolder::Group;
    }
    holder_by(Path::new("/proc/self/net"), peer, own, group)
}

/// The holder by these tables of sockets.
fn holder_by(tables: &Path, peer: SocketAddr, own: SocketAddr, group: u32) -> PeerHolder {
    match socket(tables, peer, own) {
        Ok(None | Some(Socket { inode: 0, .. })) => PeerHolder::Nobody,
        Ok(Some(socket)) if is_held_by(&socket, group) => PeerHolder::Group,
        Ok(Some(_)) | Err(_) => PeerHolder::Other,
    }
}

/// A socket of the system's tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Socket {
    /// Its number, or 0 once no process holds it.
    inode: u64,
    /// The user who opened it.
    user: u32,
}

/// Finds the socket at `local` that is connected to `remote`.
fn socket(tables: &Path, local: SocketAddr, remote: SocketAddr) -> io::Result<Option<Socket>> {
    let pairs = [ends(local, remote, Table::V4), ends(local, remote, Table::V6)];
    for (table, ends) in ["tcp", "tcp6"].into_iter().zip(pairs) {
        let Some(ends) = ends else { continue };
        match fs::read_to_string(tables.join(table)) {
            Ok(lines) => {
                if let Some(socket) = find(&lines, &ends) {
                    return Ok(Some(socket));
                }
            }
            // A system without IPv6 has no such table.
            Err(error) if error.kind() == ErrorKind::NotFound && table.ends_with('6') => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// The two tables of sockets. A connection over IPv4 is in the second one if its peer opened an IPv6 socket.
#[derive(Clone, Copy)]
enum Table {
    V4,
    V6,
}

/// The two ends of a connection as the table writes them; `None` if it cannot be in there.
fn ends(local: SocketAddr, remote: SocketAddr, table: Table) -> Option<[String; 2]> {
    Some([written(local, table)?, written(remote, table)?])
}

/// An address as the table writes it: 32-bit numbers in the byte order of the machine, and the port, in hexadecimal.
fn written(address: SocketAddr, table: Table) -> Option<String> {
    let port = address.port();
    let ip = match (address.ip().to_canonical(), table) {
        (IpAddr::V4(ip), Table::V4) => {
            return Some(format!("{:08X}:{port:04X}", u32::from_ne_bytes(ip.octets())));
        }
        (IpAddr::V4(ip), Table::V6) => ip.to_ipv6_mapped(),
        (IpAddr::V6(ip), Table::V6) => ip,
        (IpAddr::V6(_), Table::V4) => return None,
    };
    let octets = ip.octets();
    let (numbers, _) = octets.as_chunks();
    let numbers = numbers.iter().map(|bytes| format!("{:08X}", u32::from_ne_bytes(*bytes)));
    Some(format!("{}:{port:04X}", numbers.collect::<Vec<_>>().concat()))
}

/// Finds the socket with these ends in a table.
fn find(table: &str, [local, remote]: &[String; 2]) -> Option<Socket> {
    table.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().take(10).collect();
        let [_, own, other, _, _, _, _, user, _, inode] = fields[..] else { return None };
        let is_it = own == local && other == remote;
        is_it.then(|| Some(Socket { inode: inode.parse().ok()?, user: user.parse().ok()? }))?
    })
}

/// True if a process of the group holds the socket. The leader, which most often does, is asked first.
fn is_held_by(socket: &Socket, group: u32) -> bool {
    let Ok(leader) = i32::try_from(group) else { return false };
    holds(leader, socket)
        || group::processes()
            .any(|member| member.group == leader && member.id != leader && holds(member.id, socket))
}

/// True if the process holds the socket, or may hold it and belongs to the user who opened it.
fn holds(process: i32, socket: &Socket) -> bool {
    let folder = PathBuf::from(format!("/proc/{process}"));
    may_hold(has_descriptor(&folder, socket), || user(&folder), socket)
}

fn may_hold(is_held: io::Result<bool>, user: impl FnOnce() -> Option<u32>, socket: &Socket) -> bool {
    match is_held {
        Ok(is_held) => is_held,
        Err(error) if error.kind() == ErrorKind::PermissionDenied => user() == Some(socket.user),
        Err(_) => false,
    }
}

fn has_descriptor(process: &Path, socket: &Socket) -> io::Result<bool> {
    let link = format!("socket:[{}]", socket.inode);
    for descriptor in fs::read_dir(process.join("fd"))? {
        // One that was closed meanwhile has no link any more.
        if fs::read_link(descriptor?.path()).is_ok_and(|target| target.as_os_str() == link.as_str()) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The user with whose rights the process opens sockets.
fn user(process: &Path) -> Option<u32> {
    let status = fs::read_to_string(process.join("status")).ok()?;
    let users = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    users.split_ascii_whitespace().nth(3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    const TABLE: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 41 1 0000000000000000 100 0 0 10 0
   1: 0100007F:C350 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1000        0 42 1 0000000000000000 20 4 30 10 -1
   2: 0100007F:C351 0100007F:1F90 05 00000000:00000000 03:00001729 00000000     0        0 0 3 0000000000000000";

    fn pair(address: &str) -> (TcpStream, TcpStream, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = listener.local_addr().unwrap();
        let peer = TcpStream::connect((address, own.port())).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        (peer, accepted, own)
    }

    fn holder_of(peer: &TcpStream, own: SocketAddr, group: u32) -> PeerHolder {
        peer_holder(peer.local_addr().unwrap(), own, group)
    }

    fn own_group() -> u32 {
        rustix::process::getpgrp().as_raw_pid().try_into().unwrap()
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn a_socket_is_found_by_its_two_ends() {
        let own: SocketAddr = "127.0.0.1:8080".parse().unwrap();
        let of = |peer: &str| find(TABLE, &ends(peer.parse().unwrap(), own, Table::V4).unwrap());
        assert_eq!(of("127.0.0.1:50000"), Some(Socket { inode: 42, user: 1000 }));
        assert_eq!(of("127.0.0.1:50001"), Some(Socket { inode: 0, user: 0 }));
        assert_eq!(of("127.0.0.1:50002"), None);
        let mapped = written("127.0.0.1:8080".parse().unwrap(), Table::V6);
        assert_eq!(mapped.as_deref(), Some("0000000000000000FFFF00000100007F:1F90"));
        assert_eq!(written("[::1]:8080".parse().unwrap(), Table::V4), None);
    }

    #[test]
    fn a_connection_of_the_group_is_found_over_both_kinds_of_sockets() {
        for address in ["127.0.0.1", "::ffff:127.0.0.1"] {
            let (peer, _accepted, own) = pair(address);
            assert_eq!(holder_of(&peer, own, own_group()), PeerHolder::Group, "{address}");
        }
    }

    #[test]
    fn a_connection_of_another_group_is_not_the_groups() {
        let (peer, _accepted, own) = pair("127.0.0.1");
        let mut command = std::process::Command::new("sleep");
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut other = command.arg("60").spawn().unwrap();
        assert_eq!(holder_of(&peer, own, other.id()), PeerHolder::Other);
        other.kill().unwrap();
        other.wait().unwrap();
    }

    #[test]
    fn a_process_of_another_user_counts_by_its_user() {
        let socket = Socket { inode: 42, user: 1000 };
        let unreadable = || Err(ErrorKind::PermissionDenied.into());
        assert!(may_hold(unreadable(), || Some(1000), &socket));
        assert!(!may_hold(unreadable(), || Some(1001), &socket));
        assert!(!may_hold(unreadable(), || None, &socket));
        assert!(!may_hold(Err(ErrorKind::NotFound.into()), || Some(1000), &socket));
        assert_eq!(user(Path::new("/proc/self")), Some(rustix::process::geteuid().as_raw()));
    }

    #[test]
    fn without_tables_of_sockets_no_connection_is_the_groups() {
        let (peer, _accepted, own) = pair("127.0.0.1");
        let nowhere = tempfile::tempdir().unwrap();
        let holder = holder_by(nowhere.path(), peer.local_addr().unwrap(), own, own_group());
        assert_eq!(holder, PeerHolder::Other);
    }

    #[test]
    fn a_connection_that_its_peer_has_closed_is_nobodys() {
        let (peer, accepted, own) = pair("127.0.0.1");
        let address = peer.local_addr().unwrap();
        drop(peer);
        assert_eq!(peer_holder(address, own, own_group()), PeerHolder::Nobody);
        drop(accepted);
        assert_eq!(peer_holder(address, own, own_group()), PeerHolder::Nobody);
    }
}
