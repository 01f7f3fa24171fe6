//! Fuzz target of Amazon ECS: any answer of the agent or of the metadata endpoint is read, or is none.

use super::parse;
use crate::ecs::metadata::TaskMetadata;

pub(crate) fn answers(input: &[u8]) {
    drop(parse(input));
    if let Ok(task) = serde_json::from_slice::<TaskMetadata>(input) {
        assert!(task.resource_attributes().iter().all(|(_, value)| !value.is_empty()));
    }
}
