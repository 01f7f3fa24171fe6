//! The values of metric labels: closed sets, so that no message can add one.

mod calls;
mod depth;
mod handlers;
mod messages;

pub use self::{
    calls::{Action, CallResult},
    depth::MessageState,
    handlers::{FailureCause, HandlerKind, ProcessExit, ProcessState},
    messages::{Ending, Notified, Occasion},
};

/// A closed set of label values.
pub trait Label: Copy + 'static {
    /// Every value.
    const ALL: &'static [Self];

    /// The value as it stands in the metrics.
    fn as_str(self) -> &'static str;

    /// The value's place in [`Label::ALL`].
    fn index(self) -> usize;
}

/// Makes an enum with a text for each of its values.
macro_rules! label {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl Label for $name {
            const ALL: &'static [Self] = &[$(Self::$variant,)*];

            fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            fn index(self) -> usize {
                self as usize
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(self.as_str())
            }
        }
    };
}

use label;

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_indexed<L: Label>() {
        for (index, label) in L::ALL.iter().enumerate() {
            assert_eq!(label.index(), index, "{}", label.as_str());
        }
    }

    #[test]
    fn every_label_knows_its_place() {
        assert_indexed::<Ending>();
        assert_indexed::<Action>();
        assert_indexed::<CallResult>();
        assert_indexed::<Occasion>();
        assert_indexed::<Notified>();
        assert_indexed::<MessageState>();
        assert_indexed::<HandlerKind>();
        assert_indexed::<FailureCause>();
        assert_indexed::<ProcessState>();
        assert_indexed::<ProcessExit>();
    }
}
