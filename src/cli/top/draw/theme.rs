//! The styles: with colours, or without them where `NO_COLOR` is set.

use ratatui::style::{Color, Modifier, Style};

use crate::cli::top::rows::Level;

/// The styles of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli::top) enum Theme {
    Coloured,
    /// Weights alone.
    Plain,
}

impl Theme {
    pub(super) const HEADING: Style = Style::new().add_modifier(Modifier::BOLD);
    pub(super) const DIM: Style = Style::new().add_modifier(Modifier::DIM);
    pub(super) const CHOSEN: Style = Style::new().add_modifier(Modifier::REVERSED);

    /// The theme by the value of `NO_COLOR`, which counts unless it is empty.
    pub(in crate::cli::top) fn by(no_color: Option<&str>) -> Self {
        if no_color.is_some_and(|value| !value.is_empty()) { Self::Plain } else { Self::Coloured }
    }

    fn coloured(self, colour: Color) -> Style {
        match self {
            Self::Coloured => Style::new().fg(colour),
            Self::Plain => Style::new(),
        }
    }

    pub(super) fn title(self) -> Style {
        self.coloured(Color::Cyan).add_modifier(Modifier::BOLD)
    }

    pub(super) fn prompt(self) -> Style {
        self.coloured(Color::Yellow).add_modifier(Modifier::BOLD)
    }

    pub(super) fn level(self, level: Level) -> Style {
        match level {
            Level::Good => self.coloured(Color::Green),
            Level::Warn => self.coloured(Color::Yellow),
            Level::Bad => self.coloured(Color::Red).add_modifier(Modifier::BOLD),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_color_takes_every_colour_away_unless_it_is_empty() {
        assert_eq!((Theme::by(None), Theme::by(Some(""))), (Theme::Coloured, Theme::Coloured));
        let plain = Theme::by(Some("1"));
        let levels = [Level::Good, Level::Warn, Level::Bad].map(|level| plain.level(level));
        let others = [plain.title(), plain.prompt(), Theme::HEADING, Theme::DIM, Theme::CHOSEN];
        for style in levels.into_iter().chain(others) {
            assert_eq!((style.fg, style.bg), (None, None), "{style:?}");
        }
        assert_eq!(Theme::Coloured.level(Level::Bad).fg, Some(Color::Red));
    }
}
