//! SQS itself, over the AWS SDK.

mod settings;

pub use self::settings::Settings;
