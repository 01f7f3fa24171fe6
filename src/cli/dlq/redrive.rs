//! `longshore dlq redrive`: sends messages of a DLQ back to their queue.

use std::{
    io,
    num::NonZeroU32,
    process::{Command, ExitStatus},
};

use clap::Args;
use futures_util::future::FutureExt as _;
use serde_json::json;

use super::{
    moves::{self, ShownMoves},
    options::{DlqOptions, FilterOptions, OpenedDlq, open_beside},
    unavailable,
};
use crate::{
    cli::output::{self, Exit, Failure, ProgressLine},
    config,
    consumer::settle::StoredRejection,
    dead_letters::{
        Edit, Pace, Redrive, RedriveCounts, RedriveDestination, RedriveEnd, RedriveEvent, RedrivePlan,
        USUAL_STOP_AFTER, USUAL_WATCH,
    },
    duration::Span,
    message::Message,
    queue::{MOVES_A_SECOND, MoveRequest, limits},
    stop::Stop,
    tasks,
    telemetry::logs::one_line,
};

/// Sends messages back to the queue that they come from: each is deleted from the DLQ only after SQS has accepted it there
///
/// It stops when what it has sent fails again and is back in the DLQ.
#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(super) struct DlqRedrive {
    #[command(flatten)]
    dlq: DlqOptions,
    #[command(flatten)]
    filter: FilterOptions,
    /// The queue to send to: its URL, ARN or name [default: QUEUE, or the one from which each message was moved]
    #[arg(long, value_name = "ADDRESS")]
    to: Option<String>,
    /// The most messages to send
    #[arg(long, value_name = "NUMBER")]
    limit: Option<usize>,
    /// The rate: 5/s, 300/m, 1000/h or none [default: 10/s, doubled every 10s]
    #[arg(long, value_name = "RATE")]
    rate: Option<Pace>,
    /// Open each body in $VISUAL or $EDITOR before it is sent; one that is left empty stays in the DLQ
    #[arg(long)]
    edit: bool,
    /// Send and delete nothing, and print what would be sent
    #[arg(long)]
    dry_run: bool,
    /// Stop once so many of what was sent are back in the DLQ; 0 never stops [default: 1]
    #[arg(long, value_name = "NUMBER")]
    stop_after: Option<usize>,
    /// The time after the last message for which to look for those that come back [default: 5s]
    #[arg(long, value_name = "DURATION")]
    watch: Option<Span>,
    /// Start a move task of SQS, which moves every message as it is and stops for no failure, and follow it; Ctrl-C cancels it
    #[arg(long)]
    by_sqs: bool,
    /// End once the move task has begun; `longshore dlq moves` shows and cancels it
    #[arg(long, requires = "by_sqs")]
    detach: bool,
    /// Print JSON, an object for each message and one at the end
    #[arg(long)]
    json: bool,
}

impl DlqRedrive {
    pub(super) async fn execute(self, stop: Stop) -> Result<(), Failure> {
        if self.by_sqs {
            return self.move_by_sqs(stop).await;
        }
        let edit = if self.edit { Some(Editor::of_environment()?) } else { None };
        let OpenedDlq { location, queue, aws } = self.dlq.open().await?;
        let target = match (&self.to, &location.source) {
            (Some(to), _) => RedriveDestination::One(open_beside(&*location.dlq, to, &queue, &aws).await?),
            (None, Some((source, _))) => RedriveDestination::One(source.clone()),
            (None, None) => RedriveDestination::EachSource,
        };
        let plan = RedrivePlan {
            dlq: location.dlq,
            dlq_arn: location.attributes.arn,
            target,
            filter: self.filter.filter(),
            limit: self.limit,
            pace: self.rate.unwrap_or_default(),
            stop_after: self.stop_after.unwrap_or(USUAL_STOP_AFTER),
            watch: self.watch.map_or(USUAL_WATCH, |watch| watch.0),
            is_dry: self.dry_run,
            stop,
        };
        let mut shown = Shown { progress: ProgressLine::new(), is_json: self.json, is_dry: self.dry_run };
        let edit = edit.map(|editor| {
            let edit = move |message: Message| editor.clone().edit(message).boxed();
            Box::new(edit) as Box<Edit<'static>>
        });
        let redrive = Redrive::new(plan, edit);
        let (end, counts) = redrive.run(|counts, event| shown.event(counts, &event)).await;
        shown.progress.clear();
        shown.end(&end, &counts)?;
        result(end, &counts)
    }

    /// Lets SQS move all messages.
    async fn move_by_sqs(self, stop: Stop) -> Result<(), Failure> {
        let refused = self.not_by_sqs();
        if !refused.is_empty() {
            let text =
                format!("sqs moves every message as it is, and stops for none: {}", refused.join(", "));
            return Err(Failure::new(Exit::Usage, text)
                .hint("leave that out, or leave out --by-sqs: Longshore's own redrive does it"));
        }
        let per_second = self.rate.map(rate_of_sqs).transpose()?.flatten();
        let OpenedDlq { location, queue, aws } = self.dlq.open().await?;
        let destination_arn = match (&self.to, &location.source) {
            (Some(to), _) => {
                let target = open_beside(&*location.dlq, to, &queue, &aws).await?;
                Some(target.describe().await.map_err(|error| unavailable(&error))?.arn)
            }
            (None, Some((_, source))) => Some(source.arn.clone()),
            (None, None) => None,
        };
        let request = MoveRequest { dlq_arn: location.attributes.arn.clone(), destination_arn, per_second };
        let shown = ShownMoves { is_json: self.json };
        moves::start(&*location.dlq, &request, shown, (!self.detach).then_some(stop)).await
    }

    /// The options that were given and that a move task of SQS has no means for.
    fn not_by_sqs(&self) -> Vec<&'static str> {
        [
            (!self.filter.is_empty(), "a choice of messages, such as --id"),
            (self.limit.is_some(), "--limit"),
            (self.edit, "--edit"),
            (self.dry_run, "--dry-run"),
            (self.stop_after.is_some(), "--stop-after"),
            (self.watch.is_some(), "--watch"),
        ]
        .into_iter()
        .filter_map(|(is_given, name)| is_given.then_some(name))
        .collect()
    }
}

/// The rate of a move task; `None` leaves it to SQS.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is a whole number of 1 to 500"
)]
fn rate_of_sqs(pace: Pace) -> Result<Option<NonZeroU32>, Failure> {
    match pace {
        Pace::Unlimited | Pace::Growing => Ok(None),
        Pace::Fixed(rate) if rate.fract() == 0.0 && (1.0..=f64::from(MOVES_A_SECOND)).contains(&rate) => {
            Ok(NonZeroU32::new(rate as u32))
        }
        Pace::Fixed(_) => Err(Failure::new(Exit::Usage, "not a rate of sqs")
            .hint(format!("write 1/s to {MOVES_A_SECOND}/s, in whole messages a second, or none"))),
    }
}

/// The lines about a redrive.
struct Shown {
    progress: ProgressLine,
    is_json: bool,
    is_dry: bool,
}

impl Shown {
    fn event(&mut self, counts: &RedriveCounts, event: &RedriveEvent<'_>) {
        let (text, json) = match event {
            RedriveEvent::Progress => return self.progress.show(&in_words(counts, self.is_dry)),
            RedriveEvent::Sent { id, new_id } => {
                let new_id = new_id.map(ToString::to_string);
                let text = self.is_dry.then(|| id.to_string());
                (text, json!({ "event": "sent", "id": id.as_str(), "newId": new_id }))
            }
            RedriveEvent::Refused { id, reason } => {
                let json = json!({ "event": "refused", "id": id.as_str(), "reason": reason });
                (Some(format!("not sent: {id}: {}", one_line(reason))), json)
            }
            RedriveEvent::CameBack { message } => {
                let reason = StoredRejection::of(message).map(|rejection| rejection.reason);
                let json = json!({ "event": "cameBack", "id": message.id.as_str(), "reason": reason });
                let reason = reason.unwrap_or_else(|| "its receives are used up".to_owned());
                (Some(format!("came back: {}: {}", message.id, one_line(&reason))), json)
            }
        };
        self.progress.clear();
        // A closed standard output does not end what is under way.
        if self.is_json {
            drop(output::print_json(&json));
        } else if let Some(text) = text {
            drop(output::print_line(&text));
        }
    }

    fn end(&self, end: &RedriveEnd, counts: &RedriveCounts) -> Result<(), Failure> {
        if !self.is_json {
            return output::print_line(&in_words(counts, self.is_dry));
        }
        let end = match end {
            RedriveEnd::Finished => "finished",
            RedriveEnd::CameBack => "cameBack",
            RedriveEnd::Interrupted => "interrupted",
            RedriveEnd::Failed(_) => "failed",
        };
        let RedriveCounts { sent, left_out, refused, came_back, uncertain, undeleted, unreleased } = counts;
        output::print_json(&json!({
            "event": "end", "end": end, "sent": sent, "leftOut": left_out, "refused": refused,
            "cameBack": came_back, "uncertain": uncertain, "undeleted": undeleted, "unreleased": unreleased,
        }))
    }
}

/// The numbers of a redrive, those that are seldom only if they are not 0.
fn in_words(counts: &RedriveCounts, is_dry: bool) -> String {
    let sent = if is_dry { "to send" } else { "sent" };
    let mut parts = vec![format!("{} {sent}", counts.sent), format!("{} left out", counts.left_out)];
    let seldom = [
        (counts.refused, "not sent"),
        (counts.came_back, "came back"),
        (counts.uncertain, "perhaps sent, and still in the dlq"),
        (counts.undeleted, "sent, and still in the dlq"),
        (counts.unreleased, "visible again within a minute"),
    ];
    let seldom = seldom.into_iter().filter(|(count, _)| *count > 0);
    parts.extend(seldom.map(|(count, meaning)| format!("{count} {meaning}")));
    parts.join(", ")
}

fn result(end: RedriveEnd, counts: &RedriveCounts) -> Result<(), Failure> {
    let unfinished = |text: &str| Err(Failure::new(Exit::Unfinished, text));
    match end {
        RedriveEnd::Failed(error) => Err(unavailable(&error)),
        RedriveEnd::Interrupted => unfinished("interrupted"),
        RedriveEnd::CameBack => Err(Failure::new(Exit::Unfinished, "stopped: what was sent fails again")
            .hint("mend the cause first, or give --stop-after")),
        RedriveEnd::Finished if counts.refused + counts.uncertain + counts.undeleted > 0 => {
            unfinished("not every message was moved")
        }
        RedriveEnd::Finished if counts.came_back > 0 => unfinished("some of what was sent fails again"),
        RedriveEnd::Finished => Ok(()),
    }
}

/// The editor of bodies.
#[derive(Clone)]
struct Editor(String);

impl Editor {
    fn of_environment() -> Result<Self, Failure> {
        let editor =
            ["VISUAL", "EDITOR"].into_iter().filter_map(config::variable).find(|editor| !editor.is_empty());
        editor.map(Self).ok_or_else(|| {
            Failure::new(Exit::Usage, "no editor").hint("set the variable EDITOR, such as EDITOR=vi")
        })
    }

    /// Opens the body of a message; `None` if it is left empty.
    async fn edit(self, message: Message) -> Result<Option<String>, String> {
        let edited = tasks::aside(move || self.edited(&message)).await;
        let text =
            edited.map_err(|panic| panic.to_string())?.map_err(|error| format!("the editor: {error}"))?;
        if let Some(character) = text.chars().find(|character| !limits::is_allowed(*character)) {
            return Err(format!("sqs takes no such character: {character:?}"));
        }
        Ok((!text.trim().is_empty()).then_some(text))
    }

    fn edited(&self, message: &Message) -> io::Result<String> {
        let file = tempfile::Builder::new().prefix("longshore-").suffix(".json").tempfile()?;
        std::fs::write(file.path(), &message.body)?;
        let ended = self.run(file.path())?;
        if !ended.success() {
            return Err(io::Error::other(format!("it ended with {ended}")));
        }
        let text = std::fs::read_to_string(file.path())?;
        // Editors end the last line, which the body may not have done.
        Ok(match text.strip_suffix('\n') {
            Some(text) if !message.body.ends_with('\n') => text.to_owned(),
            _ => text,
        })
    }

    /// The editor may have arguments, as in `code --wait`.
    fn run(&self, path: &std::path::Path) -> io::Result<ExitStatus> {
        Command::new("sh").arg("-c").arg(format!("{} \"$1\"", self.0)).arg("sh").arg(path).status()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited_by(editor: &str, body: &str) -> Result<Option<String>, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(Editor(editor.to_owned()).edit(Message::new("m", body)))
    }

    #[test]
    fn a_body_is_what_the_editor_leaves() {
        let append = "sh -c 'echo changed > \"$1\"' x";
        assert_eq!(edited_by(append, "before"), Ok(Some("changed".to_owned())));
        assert_eq!(edited_by(append, "before\n"), Ok(Some("changed\n".to_owned())));
        assert_eq!(edited_by("true", "as it was"), Ok(Some("as it was".to_owned())));
        assert_eq!(edited_by("sh -c ': > \"$1\"' x", "before"), Ok(None), "an empty one stays");
        assert!(edited_by("false", "before").is_err());
    }

    #[test]
    fn sqs_moves_at_whole_numbers_of_messages_a_second() {
        for (text, rate) in [("none", None), ("1/s", Some(1)), ("600/m", Some(10)), ("500/s", Some(500))] {
            let per_second = rate_of_sqs(text.parse().unwrap()).unwrap();
            assert_eq!(per_second.map(NonZeroU32::get), rate, "{text}");
        }
        for text in ["501/s", "30/m", "90/m"] {
            assert!(rate_of_sqs(text.parse().unwrap()).is_err(), "{text}");
        }
    }

    #[test]
    fn only_numbers_that_are_not_zero_are_named() {
        let counts = RedriveCounts { sent: 3, came_back: 1, ..RedriveCounts::default() };
        assert_eq!(in_words(&counts, false), "3 sent, 0 left out, 1 came back");
    }
}
