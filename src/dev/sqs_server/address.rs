//! Queue URLs: how they are read, and how they are written.

use super::refusal::Refusal;
use crate::queue::memory::Account;

/// The host and port that a client reached the server by; part of every URL it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Authority(pub(super) String);

impl Authority {
    /// The URL of a queue.
    pub(super) fn queue_url(&self, account: &Account, name: &str) -> String {
        format!("http://{}/{}/{name}", self.0, account.identity().account_id)
    }
}

/// The name in a queue's URL, whatever the host; a bare path will do, and so will a bare name.
pub(super) fn queue_name(account: &Account, address: &str) -> Result<String, Refusal> {
    let path = match address.split_once("://") {
        Some((_, rest)) => rest.split_once('/').map_or("", |(_authority, path)| path),
        None => address,
    };
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    match segments[..] {
        [name] => Ok(name.to_owned()),
        [account_id, name] if account_id == account.identity().account_id => Ok(name.to_owned()),
        [_, _] => Err(Refusal::no_queue()),
        _ => Err(Refusal::Address(address.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::memory::Identity;

    fn account() -> Account {
        Account::new(Identity::default())
    }

    #[test]
    fn the_url_that_is_written_can_be_read_by_any_host() {
        let url = Authority("127.0.0.1:9324".to_owned()).queue_url(&account(), "orders.fifo");
        assert_eq!(url, "http://127.0.0.1:9324/000000000000/orders.fifo");
        for address in
            [url.as_str(), "http://localhost/000000000000/orders.fifo", "/000000000000/orders.fifo"]
        {
            assert_eq!(queue_name(&account(), address), Ok("orders.fifo".to_owned()), "{address}");
        }
    }

    #[test]
    fn another_accounts_queue_does_not_exist() {
        let refusal = queue_name(&account(), "http://localhost/123456789012/orders").unwrap_err();
        assert_eq!(refusal.code(), "AWS.SimpleQueueService.NonExistentQueue");
    }

    #[test]
    fn an_address_without_a_queue_is_invalid() {
        for address in ["", "/", "http://localhost:9324", "http://localhost/a/b/c"] {
            assert_eq!(queue_name(&account(), address).unwrap_err().code(), "InvalidAddress", "{address}");
        }
    }
}
