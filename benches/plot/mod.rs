//! Line plots as SVG, by hand: four panels to a picture. Colours are of middle tone on no ground, for light pages and dark.

use std::fmt::{self, Write};

/// One line of a panel.
pub(crate) struct Line {
    pub(crate) name: &'static str,
    /// Position and value, from left to right.
    pub(crate) points: Vec<(f64, f64)>,
}

impl Line {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, points: Vec::new() }
    }

    pub(crate) fn add(&mut self, x: usize, y: f64) {
        self.points.push((x as f64, y));
    }
}

/// One plot. Of several lines, the last is the yardstick, and dashed.
pub(crate) struct Panel {
    pub(crate) title: &'static str,
    pub(crate) x: &'static str,
    pub(crate) y: &'static str,
    /// Whether each step is a factor: to the right, and up.
    pub(crate) log: [bool; 2],
    pub(crate) lines: Vec<Line>,
}

/// As a table, with how many times the yardstick the first line is.
impl fmt::Display for Panel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.lines.iter().map(|line| line.name).collect();
        writeln!(f, "{}, {}: {}", self.x, self.y, names.join("; "))?;
        for (row, (x, first)) in self.lines[0].points.iter().enumerate() {
            write!(f, "{x:9}")?;
            self.lines.iter().try_for_each(|line| write!(f, " {:9.2}", line.points[row].1))?;
            writeln!(f, "   {:6.1} x", first / self.lines[self.lines.len() - 1].points[row].1)?;
        }
        Ok(())
    }
}

const WIDTH: f64 = 440.0;
const HEIGHT: f64 = 290.0;
/// Room for what stands around the plot: left, top, right, bottom.
const MARGINS: [f64; 4] = [58.0, 54.0, 34.0, 46.0];
const COLOURS: [&str; 3] = ["#3d85d8", "#c8741b", "#8a8f98"];
/// How many values the vertical axis names, about.
const STEPS: f64 = 5.0;

/// The whole picture, two panels beside each other.
pub(crate) fn picture(panels: &[Panel]) -> String {
    let (width, height) = (2.0 * WIDTH, panels.len().div_ceil(2) as f64 * HEIGHT);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         font-family=\"system-ui, Segoe UI, Helvetica, Arial, sans-serif\" font-size=\"12\" fill=\"#80868f\">\n"
    );
    for (index, panel) in panels.iter().enumerate() {
        let (left, top) = ((index % 2) as f64 * WIDTH, (index / 2) as f64 * HEIGHT);
        let _ = writeln!(svg, "<g transform=\"translate({left} {top})\">");
        draw(panel, &mut svg);
        svg.push_str("</g>\n");
    }
    svg.push_str("</svg>\n");
    svg
}

/// Where values stand in a panel.
struct Scale {
    x: Axis,
    y: Axis,
}

struct Axis {
    log: bool,
    from: f64,
    to: f64,
}

impl Axis {
    /// 0 at its start, 1 at its end.
    fn share(&self, value: f64) -> f64 {
        let scale = |value: f64| if self.log { value.log10() } else { value };
        (scale(value) - scale(self.from)) / (scale(self.to) - scale(self.from)).max(f64::MIN_POSITIVE)
    }

    /// What it names: powers of ten, and what is between if those are few; or multiples of a round number.
    fn marks(&self) -> Vec<f64> {
        let each = step(self.to);
        let all: Vec<f64> = match self.log {
            true => {
                let between: &[f64] = if self.to / self.from < 1000.0 { &[1.0, 2.0, 5.0] } else { &[1.0] };
                let powers = (-3..=9).map(|power| 10_f64.powi(power));
                powers.flat_map(|power| between.iter().map(move |part| part * power)).collect()
            }
            false => (0..=10).map(|number| f64::from(number) * each).collect(),
        };
        all.into_iter().filter(|mark| (self.from..=self.to * 1.001).contains(mark)).collect()
    }
}

impl Scale {
    fn of(panel: &Panel) -> Self {
        let bounds = |of: fn(&(f64, f64)) -> f64| {
            let values = panel.lines.iter().flat_map(|line| &line.points).map(of);
            values.fold((f64::MAX, f64::MIN), |(least, most), value| (least.min(value), most.max(value)))
        };
        let ((left, right), (lowest, highest)) = (bounds(|point| point.0), bounds(|point| point.1));
        let (from, to) = match panel.log[1] {
            true => (10_f64.powf(lowest.log10().floor()), 10_f64.powf(highest.log10().ceil())),
            false => (0.0, step(highest) * (highest / step(highest)).ceil()),
        };
        Self { x: Axis { log: panel.log[0], from: left, to: right }, y: Axis { log: panel.log[1], from, to } }
    }

    fn x(&self, x: f64) -> f64 {
        MARGINS[0] + self.x.share(x) * (WIDTH - MARGINS[0] - MARGINS[2])
    }

    fn y(&self, y: f64) -> f64 {
        HEIGHT - MARGINS[3] - self.y.share(y) * (HEIGHT - MARGINS[1] - MARGINS[3])
    }
}

/// A round number, of which about [`STEPS`] make up the highest value.
fn step(highest: f64) -> f64 {
    let rough = highest.max(f64::MIN_POSITIVE) / STEPS;
    let power = 10_f64.powf(rough.log10().floor());
    [1.0, 2.0, 5.0, 10.0].map(|round| round * power).into_iter().find(|round| *round >= rough).unwrap_or(rough)
}

fn draw(panel: &Panel, svg: &mut String) {
    let scale = Scale::of(panel);
    let (left, right, bottom) = (MARGINS[0], WIDTH - MARGINS[2], HEIGHT - MARGINS[3]);
    let _ = writeln!(svg, "<text x=\"{left}\" y=\"20\" font-size=\"14\" font-weight=\"600\">{}</text>", panel.title);
    for value in scale.y.marks() {
        let y = scale.y(value);
        let _ = writeln!(
            svg,
            "<path d=\"M{left} {y:.1}H{right}\" stroke=\"#80868f\" stroke-opacity=\".25\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            left - 7.0,
            y + 4.0,
            number(value)
        );
    }
    for mark in scale.x.marks() {
        let (x, text) = (scale.x(mark), number(mark));
        let _ = writeln!(
            svg,
            "<path d=\"M{x:.1} {bottom}v4\" stroke=\"#80868f\"/>\
             <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{text}</text>",
            bottom + 17.0
        );
    }
    let middle = f64::midpoint(left, right);
    let _ = writeln!(svg, "<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{}</text>", bottom + 35.0, panel.x);
    let across = f64::midpoint(MARGINS[1], bottom);
    let _ = writeln!(
        svg,
        "<text transform=\"translate(14 {across}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
        panel.y
    );
    lines(panel, &scale, svg);
}

fn lines(panel: &Panel, scale: &Scale, svg: &mut String) {
    let (last, mut legend) = (panel.lines.len() - 1, MARGINS[0]);
    for (index, line) in panel.lines.iter().enumerate() {
        let is_yardstick = index == last && last > 0;
        let colour = if is_yardstick { COLOURS[2] } else { COLOURS[index] };
        let dashes = if is_yardstick { " stroke-dasharray=\"5 4\"" } else { "" };
        let path: Vec<String> =
            line.points.iter().map(|&(x, y)| format!("{:.1},{:.1}", scale.x(x), scale.y(y))).collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" stroke-linejoin=\"round\"{dashes}/>",
            path.join(" ")
        );
        for (x, y) in line.points.iter().filter(|_| !is_yardstick) {
            let _ = writeln!(
                svg,
                "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"2.6\" fill=\"{colour}\"/>",
                scale.x(*x),
                scale.y(*y)
            );
        }
        let _ = writeln!(
            svg,
            "<path d=\"M{legend} 36h18\" stroke=\"{colour}\" stroke-width=\"2\"{dashes}/>\
             <text x=\"{}\" y=\"40\">{}</text>",
            legend + 23.0,
            line.name
        );
        legend += 23.0 + 6.7 * line.name.len() as f64 + 16.0;
    }
}

/// As short as can be: 100, 10k, 1M.
fn number(value: f64) -> String {
    let (value, unit) = match value {
        1e6.. => (value / 1e6, "M"),
        1e4.. => (value / 1e3, "k"),
        _ => (value, ""),
    };
    format!("{}{unit}", (value * 1000.0).round() / 1000.0)
}
