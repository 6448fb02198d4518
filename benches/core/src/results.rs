//! Figures, their goals, the results file and the table.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::{fs, path::Path};

/// One measured value, as `enigma bench` writes it too.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Figure {
    /// Stable name.
    pub name: String,
    /// In `unit`.
    pub value: f64,
    /// What it counts.
    pub unit: String,
    /// `lower` or `higher`.
    pub better: String,
}

/// A figure that should be high.
pub fn higher(name: &str, value: f64, unit: &str) -> Figure {
    Figure { name: name.into(), value, unit: unit.into(), better: "higher".into() }
}

/// A figure that should be low.
pub fn lower(name: &str, value: f64, unit: &str) -> Figure {
    Figure { name: name.into(), value, unit: unit.into(), better: "lower".into() }
}

/// What the project wants of a figure: at most this value, or at least, as its `better` says.
const GOALS: &[(&str, f64)] = &[
    ("devnet_ready_s", 5.0),
    ("task_latency_ms_p50", 150.0),
    ("gas_record", 60_000.0),
    ("gas_receipt_batch_1", 130_000.0),
    ("core_compute_tasks_per_s", 3_000.0),
    ("core_compute_us_p50", 800.0),
    ("core_compute_us_p99", 3_000.0),
    ("transfer_ratio_100k_holders", 1.3),
    ("deploy_erc20_ms", 50.0),
    ("takeover_100k_deltas_s", 1.0),
    ("get_tip_ratio_1m_deltas", 2.0),
    ("two_contracts_speedup", 1.7),
    ("core_idle_rss_mb", 60.0),
    ("ratio_to_cosmwasm_plaintext", 0.2),
];

impl Figure {
    fn goal(&self) -> Option<f64> {
        GOALS.iter().find(|(name, _)| *name == self.name).map(|(_, goal)| *goal)
    }

    fn reached(&self, goal: f64) -> bool {
        if self.better == "lower" { self.value <= goal } else { self.value >= goal }
    }
}

/// Puts the figures into the file, in place of older ones of the same name; returns all that it holds.
pub fn merge(path: &Path, figures: &[Figure]) -> Result<Vec<Figure>> {
    let mut all: Vec<Figure> = match fs::read(path) {
        Ok(content) => serde_json::from_slice(&content)
            .with_context(|| format!("{} is no list of figures; remove it, and measure again", path.display()))?,
        Err(_) => Vec::new(),
    };
    all.retain(|old| !figures.iter().any(|new| new.name == old.name));
    all.extend(figures.iter().cloned());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, serde_json::to_string_pretty(&all)?).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(all)
}

/// How the core compares with its cryptography and with a peer, from what the file holds of both.
pub fn ratios(path: &Path) -> Result<Vec<Figure>> {
    let all = merge(path, &[])?;
    let value = |name: &str| all.iter().find(|figure| figure.name == name).map(|figure| figure.value);
    let ratio = |above: &str, below: &str| Some(value(above)? / value(below)?);
    let floor = ratio("core_processor_us_per_task", "crypto_floor_us");
    let peer = ratio("core_compute_tasks_per_s", "cosmwasm_plaintext_tasks_per_s");
    let floor = floor.map(|ratio| lower("ratio_to_crypto_floor", ratio, "x"));
    Ok(floor.into_iter().chain(peer.map(|ratio| higher("ratio_to_cosmwasm_plaintext", ratio, "x"))).collect())
}

/// The table that people read.
pub fn print(figures: &[Figure]) {
    println!("{:<32} {:>12} {:<8} {:>10}  result", "figure", "value", "unit", "goal");
    for figure in figures {
        let (goal, result) = match figure.goal() {
            Some(goal) => {
                let sign = if figure.better == "lower" { "≤" } else { "≥" };
                (format!("{sign} {goal}"), if figure.reached(goal) { "ok" } else { "missed" })
            }
            None => (String::new(), ""),
        };
        println!("{:<32} {:>12.2} {:<8} {goal:>10}  {result}", figure.name, figure.value, figure.unit);
    }
}

/// The smallest value that at least this share of the values does not exceed.
pub fn percentile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    let rank = (values.len() * percent).div_ceil(100).max(1);
    values.get(rank - 1).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_a_bound_on_the_better_side() {
        assert!(higher("core_compute_tasks_per_s", 3_000.0, "1/s").reached(3_000.0));
        assert!(!higher("core_compute_tasks_per_s", 2_999.0, "1/s").reached(3_000.0));
        assert!(lower("core_idle_rss_mb", 60.0, "MB").reached(60.0));
        assert!(!lower("core_idle_rss_mb", 60.1, "MB").reached(60.0));
        assert_eq!(lower("something", 1.0, "s").goal(), None);
    }

    #[test]
    fn percentiles_are_values_that_occurred() {
        let mut values = [5.0, 1.0, 4.0, 2.0, 3.0];
        assert_eq!([1, 50, 99].map(|percent| percentile(&mut values, percent)), [1.0, 3.0, 5.0]);
    }

    #[test]
    fn newer_figures_take_the_place_of_older_ones() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.json");
        merge(&path, &[lower("a", 1.0, "s"), lower("b", 2.0, "s")]).unwrap();
        let all = merge(&path, &[lower("a", 3.0, "s")]).unwrap();
        assert_eq!(
            all.iter().map(|figure| (figure.name.as_str(), figure.value)).collect::<Vec<_>>(),
            [("b", 2.0), ("a", 3.0)]
        );
    }
}
