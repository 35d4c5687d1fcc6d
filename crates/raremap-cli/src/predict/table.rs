//! What a prediction found, as a table for people.

use std::path::Path;

use raremap_files::{Report, Timings};

/// The summary for people.
pub fn print_table(report: &Report, out: &Path) {
    let hectares = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"));
    println!("{:<16} {:>12} {:>9} {:>14}", "class", "pixels", "percent", "hectares");
    for class in &report.areas {
        let name = if class.rare {
            format!("{} (rare)", class.name)
        } else {
            class.name.clone()
        };
        println!(
            "{name:<16} {:>12} {:>9.3} {:>14}",
            class.pixels,
            class.percent,
            hectares(class.hectares)
        );
    }
    println!(
        "{:<16} {:>12} {:>9} {:>14}",
        "all",
        report.valid_pixels,
        "",
        hectares(report.valid_hectares)
    );
    if report.nodata_pixels > 0 {
        println!("{:<16} {:>12}", "no data", report.nodata_pixels);
    }
    let top_k = &report.top_k;
    println!(
        "\ntop {} %: {} pixels of saliency {:.4} and more",
        top_k.percent, top_k.pixels, top_k.threshold
    );
    if let Some(Timings {
        tiles,
        run_secs,
        secs_per_tile,
        ..
    }) = report.timings
    {
        println!(
            "{tiles} tiles in {run_secs:.2} s on {}, {:.0} ms each",
            report.backend,
            secs_per_tile * 1000.0
        );
    }
    for notice in &report.notices {
        println!("note: {}", notice.message);
    }
    for warning in &report.warnings {
        println!("warning: {}", warning.message);
    }
    println!("the results are in {}", out.display());
}
