//! The terminal view of `raremap train --watch`.

use std::io::{IsTerminal, Stdout, stdout};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use raremap_train::watch::{Finding, History, Step, short};
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::Marker;
use ratatui::text::Line;
use ratatui::widgets::{Axis, Block, Cell, Chart, Dataset, Gauge, GraphType, Paragraph, Row, Table, Wrap};
use ratatui::{Frame, Terminal};

/// Shortest time between two drawings of steps.
const FRAME: Duration = Duration::from_millis(250);

/// The view; it restores the terminal when it is dropped, and when the process panics.
///
/// Keys are left to the terminal, so that Ctrl-C still reaches the process as a signal.
pub struct TerminalView {
    terminal: Terminal<CrosstermBackend<Stdout>>,
    drawn: Option<Instant>,
}

impl TerminalView {
    /// Takes over the terminal; `None` if standard output is not one.
    ///
    /// # Errors
    /// If the terminal fails.
    pub fn open() -> Result<Option<Self>> {
        if !stdout().is_terminal() {
            return Ok(None);
        }
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            give_back();
            previous(panic);
        }));
        execute!(stdout(), EnterAlternateScreen, Hide).context("cannot take over the terminal")?;
        let terminal = Terminal::new(CrosstermBackend::new(stdout())).inspect_err(|_| give_back())?;
        Ok(Some(Self { terminal, drawn: None }))
    }

    /// Draws the run, either `at_once` or no more often than can be seen.
    ///
    /// # Errors
    /// If the terminal fails.
    pub fn draw(&mut self, history: &History, step: usize, findings: &[Finding], at_once: bool) -> Result<()> {
        if !at_once && self.drawn.is_some_and(|drawn| drawn.elapsed() < FRAME) {
            return Ok(());
        }
        if at_once {
            // Typed characters were echoed over the picture, so it is drawn again. `clear` would ask the terminal for the cursor's position
            // and wait for an answer that only comes where keys are read.
            let size = self.terminal.size()?;
            self.terminal.resize(size.into())?;
        }
        self.drawn = Some(Instant::now());
        self.terminal
            .draw(|frame| view(frame, history, step, findings))
            .context("cannot draw on the terminal")?;
        Ok(())
    }
}

impl Drop for TerminalView {
    fn drop(&mut self) {
        give_back();
    }
}

fn give_back() {
    // Nothing can be done if even this fails, and it must not hide the error that led here.
    let _ = execute!(stdout(), LeaveAlternateScreen, Show);
}

/// Lays out the whole view.
pub fn view(frame: &mut Frame<'_>, history: &History, step: usize, findings: &[Finding]) {
    let says: u16 = if findings.is_empty() {
        3
    } else {
        2 + 3 * findings.len().min(3) as u16
    };
    let [top, charts, table, bottom] = Layout::vertical([
        Constraint::Length(3),
        Constraint::Min(8),
        Constraint::Length(table_height(history)),
        Constraint::Length(says),
    ])
    .areas(frame.area());
    progress(frame, top, history, step);
    let [left, middle, right] = Layout::horizontal([
        Constraint::Percentage(50),
        Constraint::Percentage(25),
        Constraint::Percentage(25),
    ])
    .areas(charts);
    let figure = |of: fn(&Step) -> f64| -> Vec<(f64, f64)> {
        let points = history.steps.iter().map(|step| (step.step as f64, of(step)));
        points.filter(|point| point.1.is_finite()).collect()
    };
    chart(frame, left, "loss", &figure(|step| step.loss), Color::Blue);
    chart(
        frame,
        middle,
        "learning rate",
        &figure(|step| step.learning_rate),
        Color::Green,
    );
    let norms = figure(|step| step.gradient_norm.unwrap_or(f64::NAN));
    chart(frame, right, "gradient norm", &norms, Color::Magenta);
    classes(frame, table, history);
    say(frame, bottom, findings);
}

fn table_height(history: &History) -> u16 {
    history
        .validations
        .last()
        .map_or(3, |validation| validation.classes.len() as u16 + 3)
}

fn progress(frame: &mut Frame<'_>, area: Rect, history: &History, step: usize) {
    let total = history.start.total_steps.max(1);
    let epoch = history.steps.last().map_or(0, |step| step.epoch);
    let secs = history.epochs.last().map_or(0.0, |epoch| epoch.secs_per_step);
    let left = if secs > 0.0 {
        format!(", {:.0} min left", secs * total.saturating_sub(step) as f64 / 60.0)
    } else {
        String::new()
    };
    let gauge = Gauge::default()
        .block(Block::bordered().title(history.start.name.as_str()))
        .ratio((step as f64 / total as f64).clamp(0.0, 1.0))
        .gauge_style(Style::new().fg(Color::Blue))
        .label(format!("step {step} of {total}, epoch {epoch}{left}"));
    frame.render_widget(gauge, area);
}

fn chart(frame: &mut Frame<'_>, area: Rect, name: &str, points: &[(f64, f64)], color: Color) {
    let newest = points.last().map_or("-".to_owned(), |point| short(point.1));
    let block = Block::bordered().title(format!("{name} {newest}"));
    let fold = |pick: fn(&(f64, f64)) -> f64, order: fn(f64, f64) -> f64| points.iter().map(pick).reduce(order);
    let (Some(first), Some(last), Some(low), Some(high)) = (
        fold(|point| point.0, f64::min),
        fold(|point| point.0, f64::max),
        fold(|point| point.1, f64::min),
        fold(|point| point.1, f64::max),
    ) else {
        return frame.render_widget(block, area);
    };
    let high = if high > low { high } else { low + low.abs().max(1e-9) };
    let axis = |bounds: [f64; 2], labels: [String; 2]| {
        Axis::default()
            .bounds(bounds)
            .labels(labels.map(Line::from))
            .style(Style::new().fg(Color::DarkGray))
    };
    let line = Dataset::default()
        .marker(Marker::Braille)
        .graph_type(GraphType::Line)
        .style(Style::new().fg(color))
        .data(points);
    let chart = Chart::new(vec![line])
        .block(block)
        .x_axis(axis(
            [first, last.max(first + 1.0)],
            [format!("{first:.0}"), format!("{last:.0}")],
        ))
        .y_axis(axis([low, high], [short(low), short(high)]));
    frame.render_widget(chart, area);
}

fn classes(frame: &mut Frame<'_>, area: Rect, history: &History) {
    let Some(validation) = history.validations.last() else {
        let waiting = Paragraph::new("no validation yet").block(Block::bordered().title("validation"));
        return frame.render_widget(waiting, area);
    };
    let cell = |value: Option<f64>| Cell::from(value.map_or("-".to_owned(), |value| format!("{value:.4}")));
    let rows = validation.classes.iter().map(|class| {
        let style = if class.rare {
            Style::new().add_modifier(Modifier::BOLD)
        } else {
            Style::new()
        };
        let name = if class.rare {
            format!("{} (rare)", class.name)
        } else {
            class.name.clone()
        };
        Row::new([
            Cell::from(name),
            Cell::from(class.pixels.to_string()),
            cell(class.iou),
            cell(class.recall),
            cell(class.precision),
        ])
        .style(style)
    });
    let widths = [
        Constraint::Min(16),
        Constraint::Length(11),
        Constraint::Length(8),
        Constraint::Length(8),
        Constraint::Length(9),
    ];
    let mean_iou = validation
        .mean_iou
        .map_or("-".to_owned(), |value| format!("{value:.4}"));
    let title = format!("validation after epoch {}, mean IoU {mean_iou}", validation.epoch);
    let table = Table::new(rows, widths)
        .header(Row::new(["class", "pixels", "IoU", "recall", "precision"]).style(Style::new().fg(Color::DarkGray)))
        .block(Block::bordered().title(title));
    frame.render_widget(table, area);
}

fn say(frame: &mut Frame<'_>, area: Rect, findings: &[Finding]) {
    let mut lines = Vec::new();
    for finding in findings {
        let warning = Style::new().fg(Color::Yellow).add_modifier(Modifier::BOLD);
        lines.push(Line::styled(finding.kind.title(), warning));
        lines.push(Line::from(finding.seen.as_str()));
        lines.push(Line::from(finding.advice.as_str()));
    }
    if lines.is_empty() {
        lines.push(Line::from("nothing is wrong"));
    }
    let text = Paragraph::new(lines)
        .wrap(Wrap { trim: true })
        .block(Block::bordered().title("findings"));
    frame.render_widget(text, area);
}

#[cfg(test)]
mod tests {
    use ratatui::backend::TestBackend;

    use super::*;
    use raremap_train::watch::{ClassScore, FindingKind, RunEvent, Start, Validation};

    /// A run of `epochs` epochs of 20 logged steps, whose loss falls.
    fn healthy(epochs: usize) -> History {
        let mut history = History::default();
        history.push(&RunEvent::Start(Start {
            total_steps: 20 * epochs,
            name: "healthy".into(),
            ..Start::default()
        }));
        for step in 1..=20 * epochs {
            history.push(&RunEvent::Step(Step {
                step,
                epoch: step.div_ceil(20),
                loss: 0.3 + 1.2 * (-(step as f64) / 60.0).exp() + 0.01 * (step * 7919 % 13) as f64,
                learning_rate: 1e-3 * (1.0 - step as f64 / (20 * epochs) as f64),
                gradient_norm: Some(1.0 + (step * 31 % 7) as f64 / 7.0),
                ..Step::default()
            }));
        }
        let class = |name: &str, pixels| ClassScore {
            name: name.into(),
            rare: name == "wetland",
            pixels,
            iou: Some(0.5),
            recall: Some(0.6),
            precision: Some(0.5),
        };
        history.push(&RunEvent::Validation(Validation {
            epoch: epochs,
            step: 20 * epochs,
            mean_iou: Some(0.5),
            classes: vec![class("land", 980), class("wetland", 20)],
            ..Validation::default()
        }));
        history
    }

    fn drawn(width: u16, height: u16, history: &History, findings: &[Finding]) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
        terminal
            .draw(|frame| view(frame, history, history.step(), findings))
            .expect("draws");
        terminal.backend().to_string()
    }

    #[test]
    fn the_view_shows_course_classes_and_findings() {
        let history = healthy(4);
        let finding = Finding {
            step: 80,
            kind: FindingKind::DeadAuxiliaryHead,
            seen: "recall 0".into(),
            advice: "raise it".into(),
        };
        let screen = drawn(100, 30, &history, &[finding]);
        for text in [
            "step 80 of 80",
            "loss",
            "learning rate",
            "gradient norm",
            "wetland (rare)",
            "980",
            "Dead auxiliary head",
            "raise it",
        ] {
            assert!(screen.contains(text), "{text} is not in\n{screen}");
        }
        let braille = |screen: &str| screen.chars().filter(|c| ('\u{2801}'..='\u{28ff}').contains(c)).count();
        assert!(braille(&screen) > 40, "lines are drawn\n{screen}");
    }

    #[test]
    fn an_empty_run_and_a_tiny_window_can_be_drawn() {
        let screen = drawn(80, 24, &History::default(), &[]);
        assert!(
            screen.contains("no validation yet") && screen.contains("nothing is wrong"),
            "{screen}"
        );
        drawn(1, 1, &healthy(3), &[]);
        drawn(20, 5, &healthy(3), &[]);
    }
}
