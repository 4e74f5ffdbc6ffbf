//! Evaluates the output of the tests in editors: PASS and FAIL lines, and words that must not appear in a log.

use super::Root;
use std::path::Path;
use std::time::Duration;

/// Messages of a host that indicate a faulty plug-in.
const FORBIDDEN: [&str; 5] =
    ["CRITICAL", "MUST NOT do that", "Traceback", "panicked at", "Gtk-WARNING **: Failed"];

/// Counts and failures of all tests.
#[derive(Default)]
pub struct Report {
    passed: usize,
    failures: Vec<String>,
}

impl Report {
    /// Evaluates a test's output. A test without a PASS line counts as failed.
    pub fn read(&mut self, title: &str, output: &str, time: Duration) {
        let passed = output.lines().filter(|line| line.starts_with("PASS ")).count();
        let failed = output.lines().filter_map(|line| line.strip_prefix("FAIL "));
        let forbidden = output.lines().filter(|line| FORBIDDEN.iter().any(|word| line.contains(word)));
        let before = self.failures.len();
        self.failures.extend(failed.chain(forbidden).map(|line| format!("{title}: {line}")));
        if passed == 0 {
            self.failures.push(format!("{title}: nothing passed"));
        }
        self.passed += passed;
        let bad = self.failures.len() - before;
        println!("{title}: {passed} passed, {bad} failed, {:.0} s", time.as_secs_f64());
    }

    /// Runs `gani plugin ACTION EDITOR` in the root for each action. A failure is reported.
    pub fn plugin(&mut self, editor: &str, actions: &[&str], root: &Root, work: &Path) {
        for action in actions {
            match root.run(work, &["/w/gani/bin/gani", "plugin", action, editor], Duration::from_secs(60)) {
                Ok(text) if !text.contains("FAIL") => self.passed += 1,
                Ok(text) | Err(text) => self.failures.push(format!("gani plugin {action} {editor}: {text}")),
            }
        }
    }

    /// Prints the number of passed checks, or returns the failures.
    pub fn finish(self) -> Result<(), String> {
        match self.failures.len() {
            0 => {
                println!("{} checks passed", self.passed);
                Ok(())
            }
            n => Err(format!("{n} checks failed:\n  {}", self.failures.join("\n  "))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_and_forbidden_words_are_counted() {
        let mut report = Report::default();
        report.read("one", "PASS a\nPASS b\n", Duration::ZERO);
        assert_eq!((report.passed, report.failures.len()), (2, 0));
        report.read("two", "PASS a\nFAIL b: why\n(x:1): Gtk-CRITICAL **: bad\n", Duration::ZERO);
        report.read("three", "", Duration::ZERO);
        assert_eq!(
            report.failures,
            ["two: b: why", "two: (x:1): Gtk-CRITICAL **: bad", "three: nothing passed"]
        );
        assert!(report.finish().unwrap_err().contains("3 checks"));
    }
}
