//! The line that says what the marks of the panels mean; only of the marks that are there.

use plotters::prelude::*;

use super::Panel;
use crate::error::Result;
use crate::eval::canvas::{
    ASKED, Area, INK, LABEL, MEASURED, MEASURED_LINE, line_width, rgb, text, undrawable, write_line,
};
use crate::eval::palette::Rgb;

/// A mark of a panel.
#[derive(Clone, Debug, PartialEq)]
enum Mark {
    /// A bar for a mean.
    Bar,
    /// Bars for means in the colours of the classes.
    Bars(Vec<Rgb>),
    Bubble,
    Line,
    Whisker,
    Band,
    /// Dashes at an asked value.
    Asked,
}

impl Mark {
    fn of(panel: &Panel) -> Vec<Self> {
        match panel {
            Panel::Bars(_) => vec![Self::Bar, Self::Whisker, Self::Asked],
            Panel::Bubbles(_) => vec![Self::Bubble, Self::Asked],
            Panel::Curve(_) => vec![Self::Line, Self::Band, Self::Asked],
            Panel::Fractions(p) => {
                let colours = p.colours.iter().take(3).copied().collect();
                vec![Self::Bars(colours), Self::Whisker, Self::Asked]
            }
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Bar | Self::Bars(_) | Self::Line => "mean of the samples",
            Self::Bubble => "mean of the samples; area: their standard deviation",
            Self::Whisker | Self::Band => "\u{b1} one standard deviation",
            Self::Asked => "asked",
        }
    }

    /// Draws the mark in a space of [`MARK`] from column `x`, its middle in row `y`.
    fn draw(&self, area: &Area, x: i32, y: i32) -> Result<()> {
        let at = |points: [(i32, i32); 2]| points.map(|(dx, dy)| (x + dx, y + dy));
        let line = |points, style: ShapeStyle| area.draw(&PathElement::new(at(points), style));
        let block = |points, style: ShapeStyle| area.draw(&Rectangle::new(at(points), style));
        let blocks = |colours: &[RGBColor]| {
            let width = MARK / colours.len().max(1) as i32;
            (0..)
                .zip(colours)
                .try_for_each(|(i, c)| block([(i * width, -18), ((i + 1) * width, 18)], c.filled()))
        };
        match self {
            Self::Bar => blocks(&[MEASURED]),
            Self::Bars(colours) => blocks(&colours.iter().copied().map(rgb).collect::<Vec<_>>()),
            Self::Bubble => {
                let styles = [
                    (24, MEASURED.mix(0.5).filled()),
                    (24, MEASURED_LINE.stroke_width(2)),
                    (6, INK.filled()),
                ];
                styles
                    .into_iter()
                    .try_for_each(|(radius, style)| area.draw(&Circle::new((x + MARK / 2, y), radius, style)))
            }
            Self::Line => line([(0, 0), (MARK, 0)], MEASURED_LINE.stroke_width(5)),
            Self::Whisker => [[(36, -20), (36, 20)], [(22, -20), (50, -20)], [(22, 20), (50, 20)]]
                .into_iter()
                .try_for_each(|points| line(points, INK.stroke_width(4))),
            Self::Band => block([(0, -18), (MARK, 18)], MEASURED.mix(0.45).filled()),
            Self::Asked => [0, 26, 52]
                .into_iter()
                .try_for_each(|dx| line([(dx, 0), (dx + 20, 0)], ASKED.stroke_width(6))),
        }
        .map_err(undrawable)
    }
}

/// Width of a mark, and from the left of one to its name.
const MARK: i32 = 72;
const NAME: usize = 92;
/// Between entries, and from line to line.
const GAP: usize = 80;
const LEADING: usize = 64;

/// The marks of a report and where they go.
pub(super) struct Legend {
    /// Column and line of each mark.
    entries: Vec<(Mark, usize, usize)>,
}

impl Legend {
    /// Each mark of the panels once, wrapped to a width.
    pub(super) fn new(panels: &[Panel], width: usize) -> Result<Self> {
        let mut entries: Vec<(Mark, usize, usize)> = Vec::new();
        let (mut x, mut line) = (0, 0);
        for mark in panels.iter().flat_map(Mark::of) {
            if entries.iter().any(|(known, ..)| *known == mark) {
                continue;
            }
            let needed = NAME + line_width(mark.name(), &text(LABEL))?;
            if x > 0 && x + needed > width {
                (x, line) = (0, line + 1);
            }
            entries.push((mark, x, line));
            x += needed + GAP;
        }
        Ok(Self { entries })
    }

    /// Height with the room below it, none if there is nothing to explain.
    pub(super) fn height(&self) -> usize {
        self.entries.last().map_or(0, |(_, _, line)| (line + 1) * LEADING)
    }

    pub(super) fn draw(&self, area: &Area, left: usize, top: usize) -> Result<()> {
        for (mark, x, line) in &self.entries {
            let (x, y) = (left + x, top + line * LEADING);
            // Capitals are about 2/3 of the size of a text high.
            mark.draw(area, x as i32, y as i32 + LABEL as i32 / 3)?;
            write_line(area, mark.name(), &text(LABEL), x + NAME, y)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::figures::{BarPanel, BubblePanel};

    #[test]
    fn only_marks_that_the_panels_use_are_explained_and_each_once() {
        let empty = Vec::new;
        let bars = Panel::Bars(BarPanel {
            name: "r1".into(),
            each: "target",
            unit: "px".into(),
            targets: empty(),
            mean: empty(),
            std: empty(),
        });
        let bubbles = Panel::Bubbles(BubblePanel {
            name: "p1".into(),
            unit: String::new(),
            targets: empty(),
            mean: empty(),
            std: empty(),
        });
        let marks = |panels: &[Panel], width| {
            let legend = Legend::new(panels, width).expect("measures");
            let marks: Vec<Mark> = legend.entries.iter().map(|(mark, ..)| mark.clone()).collect();
            (marks, legend.height() / LEADING)
        };
        assert_eq!(marks(&[], 3000), (vec![], 0));
        assert_eq!(
            marks(&[bars.clone(), bars.clone()], 3000),
            (vec![Mark::Bar, Mark::Whisker, Mark::Asked], 1)
        );
        let all = vec![Mark::Bar, Mark::Whisker, Mark::Asked, Mark::Bubble];
        assert_eq!(marks(&[bars.clone(), bubbles.clone()], 1000), (all.clone(), 3));
        assert_eq!(marks(&[bars, bubbles], 9000), (all, 1));
    }
}
