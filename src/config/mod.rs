//! The settings of a whole process, composed of the settings of its parts.
