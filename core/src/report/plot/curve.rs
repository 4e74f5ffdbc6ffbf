//! The loss curve: terms of the loss by step, on a logarithmic scale.

use image::RgbImage;

use super::draw::{self, Align, Color};
use super::font::Line;
use super::{INK, WHITE};

const SIZE: (u32, u32) = (1200, 720);
/// Edges of the plot area in pixels: left, top, right, bottom.
const PLOT: [f32; 4] = [104.0, 116.0, 1164.0, 648.0];
const GRID: Color = [226, 226, 226];
const FAINT: Color = [243, 243, 243];
const GRAY: Color = [110, 110, 110];
/// Line colors that color-blind people can distinguish. Reused from the start if there are more lines.
const COLORS: [Color; 7] = [
    [0, 98, 174],
    [222, 110, 0],
    [0, 142, 108],
    [196, 52, 98],
    [122, 82, 168],
    [70, 160, 214],
    [120, 120, 120],
];

/// Plots the terms of a loss, `(name, one value per step)`, with a title and a legend. The image has 1200×720 pixels.
///
/// Long runs are noisy: their values are drawn in a pale color, below a running geometric mean. Values that are not finite or not
/// positive leave a gap, because a logarithmic scale cannot show them.
pub fn loss_curve(title: &str, lines: &[(&str, &[f64])]) -> RgbImage {
    let mut image = RgbImage::from_pixel(SIZE.0, SIZE.1, WHITE);
    let [left, top, right, bottom] = PLOT;
    draw::text(&mut image, title, [left, 32.0], 20.0, Align::Left, INK);
    let steps = lines.iter().map(|(_, values)| values.len()).max().unwrap_or(0);
    let drawn =
        || lines.iter().flat_map(|(_, values)| values.iter()).copied().filter(|value| drawable(*value));
    let (low, high) = (drawn().fold(f64::INFINITY, f64::min), drawn().fold(0.0, f64::max));
    if low > high {
        let middle = [(left + right) / 2.0, (top + bottom) / 2.0];
        draw::text(&mut image, "no values to show", middle, 16.0, Align::Center, GRAY);
        return image;
    }
    // A margin of 5 % of the range above and below. A constant line needs a minimum range for its axis.
    let (low, high) = (low.log10(), high.log10());
    let margin = ((high - low) * 0.05).max(0.05);
    let (low, high) = (low - margin, high + margin);
    let y = |value: f64| bottom - ((value.log10() - low) / (high - low)) as f32 * (bottom - top);
    let last = steps.saturating_sub(1).max(1) as f64;
    let x = |step: f64| left + (step / last) as f32 * (right - left);

    grid_values(&mut image, low, high, y);
    grid_steps(&mut image, last, x);
    let mut smooth = Vec::new();
    for (index, (_, values)) in lines.iter().enumerate() {
        let color = COLORS[index % COLORS.len()];
        let radius = values.len() / 50;
        if radius > 0 {
            let pale = color.map(|value| 255 - (255 - value) / 3);
            draw::stroke(&mut image, &segments(values, x, y), 1.2, pale);
        }
        smooth.push((segments(&running_mean(values, radius), x, y), color));
    }
    for (line, color) in smooth {
        draw::stroke(&mut image, &line, 2.4, color);
    }
    legend(&mut image, lines);
    image
}

fn drawable(value: f64) -> bool {
    value.is_finite() && value > 0.0
}

/// Geometric mean of the drawable values within `radius` steps of each step. Gaps stay gaps. The radius shrinks towards the ends, so
/// that the window is symmetric: otherwise a steady slope would bend there.
fn running_mean(values: &[f64], radius: usize) -> Vec<f64> {
    let mean = |step: usize| {
        let radius = radius.min(step).min(values.len() - 1 - step);
        let window = &values[step - radius..=step + radius];
        let logs: Vec<f64> =
            window.iter().filter(|value| drawable(**value)).map(|value| value.ln()).collect();
        (logs.iter().sum::<f64>() / logs.len() as f64).exp()
    };
    values.iter().enumerate().map(|(step, &value)| if drawable(value) { mean(step) } else { value }).collect()
}

/// One line for each run of drawable values. A single value becomes a dot.
fn segments(values: &[f64], x: impl Fn(f64) -> f32, y: impl Fn(f64) -> f32) -> Vec<Line> {
    let mut lines = vec![Line::new()];
    for (step, &value) in values.iter().enumerate() {
        match lines.last_mut() {
            Some(line) if drawable(value) => line.push([x(step as f64), y(value)]),
            _ => lines.push(Line::new()),
        }
    }
    for line in &mut lines {
        if let &[dot] = line.as_slice() {
            line.push(dot);
        }
    }
    lines
}

/// Horizontal grid lines: at 1 to 9 times the powers of ten, or only at some powers of ten if there are many decades.
fn grid_values(image: &mut RgbImage, low: f64, high: f64, y: impl Fn(f64) -> f32) {
    let [left, _, right, _] = PLOT;
    let spacing = ((high - low) / 10.0).ceil().max(1.0);
    for decade in (low.floor() as i32..=high.ceil() as i32).step_by(spacing as usize) {
        for factor in 1..if spacing > 1.0 { 2 } else { 10 } {
            let value = f64::from(factor) * 10f64.powi(decade);
            if value.log10() < low || value.log10() > high {
                continue;
            }
            let labeled = factor == 1 || (high - low < 3.5 && [2, 5].contains(&factor));
            let height = y(value);
            let color = if labeled { GRID } else { FAINT };
            draw::stroke(image, &[vec![[left, height], [right, height]]], 1.0, color);
            if labeled {
                draw::text(image, &number(value), [left - 14.0, height - 6.0], 12.0, Align::Right, GRAY);
            }
        }
    }
}

/// Vertical grid lines at round steps, at most eleven.
fn grid_steps(image: &mut RgbImage, last: f64, x: impl Fn(f64) -> f32) {
    let [left, top, right, bottom] = PLOT;
    let spacing = [1.0, 2.0, 5.0]
        .iter()
        .flat_map(|factor| (0..9).map(move |power| factor * 10f64.powi(power)))
        .filter(|spacing| last / spacing <= 10.0)
        .fold(f64::INFINITY, f64::min);
    for index in 0..=(last / spacing) as usize {
        let step = index as f64 * spacing;
        draw::stroke(image, &[vec![[x(step), top], [x(step), bottom]]], 1.0, GRID);
        draw::text(image, &number(step), [x(step), bottom + 16.0], 12.0, Align::Center, GRAY);
    }
    draw::stroke(image, &[vec![[left, top], [left, bottom], [right, bottom]]], 1.5, GRAY);
    draw::text(image, "step", [(left + right) / 2.0, bottom + 42.0], 13.0, Align::Center, INK);
}

/// One row with a sample of each line and its name.
fn legend(image: &mut RgbImage, lines: &[(&str, &[f64])]) {
    let [left, top, right, _] = PLOT;
    let width: f32 = lines.iter().map(|(name, _)| draw::text_width(name, 14.0) + 66.0).sum();
    let scale = ((right - left) / width.max(1.0)).min(1.0);
    let (mut x, y) = (left, top - 34.0);
    for (index, (name, _)) in lines.iter().enumerate() {
        let color = COLORS[index % COLORS.len()];
        draw::stroke(image, &[vec![[x, y], [x + 26.0 * scale, y]]], 4.0 * scale, color);
        draw::text(image, name, [x + 36.0 * scale, y - 7.0 * scale], 14.0 * scale, Align::Left, INK);
        x += (draw::text_width(name, 14.0) + 66.0) * scale;
    }
}

/// A number in decimal notation if that is short, else in scientific notation.
fn number(value: f64) -> String {
    if value == 0.0 || (1e-4..1e6).contains(&value) {
        // Removes rounding errors such as 0.30000000000000004.
        format!("{}", (value * 1e6).round() / 1e6)
    } else {
        format!("{value:.0e}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axis_numbers_are_short() {
        for (value, text) in
            [(0.0, "0"), (0.2, "0.2"), (5e-4, "0.0005"), (2e-5, "2e-5"), (300.0, "300"), (1e7, "1e7")]
        {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn the_running_mean_is_geometric_and_keeps_gaps() {
        let mean = running_mean(&[1.0, 100.0, 0.0, 10.0, 0.1, 1.0], 1);
        for (found, expected) in mean.into_iter().zip([1.0, 10.0, 0.0, 1.0, 1.0, 1.0]) {
            assert!((found - expected).abs() < 1e-9, "{found} {expected}");
        }
    }

    #[test]
    fn gaps_split_a_line() {
        let lines = segments(&[1.0, 2.0, f64::NAN, 3.0, 0.0], |x| x as f32, |y| y as f32);
        let lengths: Vec<usize> = lines.iter().map(Vec::len).collect();
        assert_eq!(lengths, [2, 2, 0]);
    }

    #[test]
    fn any_values_can_be_plotted() {
        let blank = loss_curve("nothing", &[]);
        assert_eq!(blank.dimensions(), SIZE);
        for values in [vec![], vec![0.0, -1.0, f64::INFINITY], vec![1.0], vec![2.0; 5], vec![1e-300, 1e300]] {
            assert_eq!(loss_curve("t", &[("a", &values)]).dimensions(), SIZE);
        }
    }
}
