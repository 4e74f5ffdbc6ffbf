//! Affine maps of the plane.

/// x' = a·x + b·y + c, y' = d·x + e·y + f.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Affine {
    /// a, b, c.
    pub x: [f64; 3],
    /// d, e, f.
    pub y: [f64; 3],
}

impl Affine {
    /// Maps (0,0) to `origin`, (1,0) to `origin + right` and (0,1) to `origin + down`.
    pub fn from_axes(origin: [f64; 2], right: [f64; 2], down: [f64; 2]) -> Affine {
        Affine { x: [right[0], down[0], origin[0]], y: [right[1], down[1], origin[1]] }
    }

    /// Scales both axes by `step`.
    pub fn from_scale(step: f64) -> Affine {
        Affine::from_axes([0.0; 2], [step, 0.0], [0.0, step])
    }

    /// Maps the square `[0, pixels]²` to a square of side `side` around `center`, rotated by `angle` (radians, clockwise on
    /// screen).
    pub fn rotated_square(center: [f64; 2], side: f64, angle: f64, pixels: f64) -> Affine {
        let step = side / pixels;
        let right = [angle.cos() * step, angle.sin() * step];
        let down = [-right[1], right[0]];
        let half = pixels / 2.0;
        let corner = |i: usize| center[i] - half * (right[i] + down[i]);
        Affine::from_axes([corner(0), corner(1)], right, down)
    }

    /// The image of a point.
    pub fn apply(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let value = |row: &[f64; 3]| row[0] * x + row[1] * y + row[2];
        [value(&self.x), value(&self.y)]
    }

    /// This map followed by (p − origin) / scale.
    pub fn relative_to(&self, origin: [f64; 2], scale: f64) -> Affine {
        let row = |row: &[f64; 3], o: f64| [row[0] / scale, row[1] / scale, (row[2] - o) / scale];
        Affine { x: row(&self.x, origin[0]), y: row(&self.y, origin[1]) }
    }

    /// The inverse map; `None` if the map is singular.
    pub fn inverse(&self) -> Option<Affine> {
        let ([a, b, c], [d, e, f]) = (self.x, self.y);
        let det = a * e - b * d;
        let inverse = Affine {
            x: [e / det, -b / det, (b * f - c * e) / det],
            y: [-d / det, a / det, (c * d - a * f) / det],
        };
        (det.is_normal() && inverse.x.iter().chain(&inverse.y).all(|v| v.is_finite())).then_some(inverse)
    }

    /// Scale factors along x' and y': the change of each per unit step of the input.
    pub fn scale(&self) -> [f64; 2] {
        [self.x, self.y].map(|row| row[0].hypot(row[1]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inverse_undoes_the_map() {
        let map = Affine::rotated_square([40.0, 30.0], 20.0, 0.3, 64.0);
        let mapped = map.apply([10.0, 50.0]);
        let back = map.inverse().unwrap().apply(mapped);
        assert!((back[0] - 10.0).abs() < 1e-9 && (back[1] - 50.0).abs() < 1e-9, "{back:?}");
        assert_eq!(map.apply([32.0, 32.0]).map(|v| v.round()), [40.0, 30.0]);
        assert!(Affine::from_axes([0.0; 2], [1.0, 1.0], [2.0, 2.0]).inverse().is_none());
    }
}
