//! Amazon SQS and SNS on loopback, for tests and development.
//!
//! One process serves both services at one address, without an account and without signatures: every SDK, boto3 and
//! the AWS CLI work against it with an endpoint and dummy credentials.
//!
//! ```
//! use longshore_emulator::Emulator;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), longshore_emulator::EmulatorError> {
//! let emulator = Emulator::start().await?;
//! emulator.create_queue("orders").expect("a valid name");
//! // Point the program under test at the endpoint, with any credentials and the region us-east-1.
//! let endpoint = emulator.endpoint();
//! let queue_url = emulator.queue_url("orders");
//! assert!(queue_url.starts_with(&endpoint));
//! # Ok(())
//! # }
//! ```
//!
//! The server listens on a free port of loopback and stops when the [`Emulator`] is dropped. [`Emulator::builder`]
//! sets the address, the region and the account id.
//!
//! A test in Rust needs no server: [`SqsAccount`] and [`SnsAccount`] are the same implementation as method calls, on
//! tokio's clock. On a paused clock (`#[tokio::test(start_paused = true)]`) visibility timeouts, delays, retention
//! and long polls take no time.

mod checksum;
mod declaration;
mod emulator;
mod journal;
mod limits;
mod message;
mod permissions;
mod server;
mod sns;
mod sqs;
mod storage;

pub use self::{
    declaration::DeclarationError,
    emulator::{Emulator, EmulatorBuilder, EmulatorError},
    journal::DataError,
    message::{AttributeData, MessageAttributeValue, NewMessage, StringMap},
    sns::{
        MessageStructure, PublishRequest, PublishResult, PublishTarget, PublishedMessage, SentSms, SmsNumber,
        SnsAccount, SnsApiError, SnsErrorCode, SnsTopicArn, SubscriptionSummary,
    },
    sqs::{
        AccountIdentity, AccountLimits, DeliveredMessage, MessageContent, MoveStatus, MoveTask,
        QueueSnapshot, ReceiveFuture, ReceiveOptions, RedriveSettings, SendResult, SqsAccount, SqsApiError,
        SqsErrorCode, StartMoveTask,
    },
};

/// Fuzz targets, for `make fuzz`; no part of the library.
#[cfg(any(test, fuzzing))]
#[path = "../tests/fuzz/mod.rs"]
pub mod fuzz;

/// Compiles the examples of the README with the doc tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct EmulatorReadme;
