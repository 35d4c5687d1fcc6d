//! `raremap export` turns a run's weights into a file that is shipped, or into a site.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use raremap_files::{Site, SiteOptions};
use raremap_io::write_whole;
use raremap_train::TrainError;
use raremap_train::export::{ExportOptions, LogitShift, export};
use raremap_train::metrics::table;

/// Writes a run's best weights as a weights file, evaluated and with a golden tile.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Folder of the run.
    run: PathBuf,
    /// The weights file to write.
    #[arg(long, required_unless_present = "site")]
    out: Option<PathBuf>,
    /// Also write a site: a folder for any static server, with the page and this model as its default. DIR must either not exist yet, be
    /// empty, or hold an earlier site, which is replaced as a whole.
    #[arg(long, value_name = "DIR")]
    site: Option<PathBuf>,
    /// The built page that the site is made of: its folder, which `./run --release --build-only` makes in a clone of raremap, or the archive that
    /// "Download this site as a folder" saves on any raremap page.
    #[arg(long, requires = "site", default_value = "dist")]
    page: PathBuf,
    /// Leave the sample scene out of the site.
    #[arg(long, requires = "site")]
    no_sample: bool,
    /// Keep the weights in float instead of int8.
    #[arg(long)]
    float: bool,
    /// What the model is for and what it cannot do, for its card [default: the recipe's].
    #[arg(long)]
    description: Option<String>,
    /// Add to a class's logit in the main head, such as `wetland=2`: the model then finds more of a rare class, at a cost that the printed
    /// figures show (logit adjustment after training, arXiv:2007.07314, section 4.1). You can repeat this option.
    #[arg(long, value_name = "CLASS=LOGIT")]
    logit_shift: Vec<String>,
    /// The same in the auxiliary head, for a rare class: the mask's threshold then stands for a different probability. You can repeat this option.
    #[arg(long, value_name = "CLASS=LOGIT")]
    rare_logit_shift: Vec<String>,
    /// Split whose figures go into the card.
    #[arg(long, default_value = "val")]
    split: String,
    /// Look for the dataset's files in this folder.
    #[arg(long)]
    root: Option<PathBuf>,
}

/// Runs `raremap export`.
///
/// # Errors
/// If the run, its dataset or the page cannot be read, if a logit shift names no class of its head, or if the file or the site cannot be
/// written.
pub fn run(args: &ExportArgs) -> Result<()> {
    let shifts = |texts: &[String]| {
        let parsed = texts.iter().map(|text| text.parse());
        parsed.collect::<Result<Vec<LogitShift>, TrainError>>()
    };
    let options = ExportOptions {
        float: args.float,
        description: args.description.clone(),
        logit_shifts: shifts(&args.logit_shift)?,
        rare_logit_shifts: shifts(&args.rare_logit_shift)?,
        split: args.split.clone(),
        root: args.root.clone(),
    };
    // First: what is wrong with the page or the folder of the site does not depend on the model.
    let page = SiteOptions {
        page: args.page.clone(),
        sample: !args.no_sample,
    };
    let site = args.site.as_ref();
    let site = site
        .map(|folder| Site::prepare(folder, &page).map(|site| (folder, site)))
        .transpose()?;
    let exported = export(&args.run, &options)?;
    if let Some(out) = &args.out {
        write_whole(out, &exported.bytes)?;
        let bytes = exported.bytes.len();
        println!("{}: {bytes} bytes, sha256 {}", out.display(), exported.sha256);
    }
    if let Some((folder, site)) = site {
        let files = site.write(exported.bytes)?;
        println!(
            "{}: {files} files, sha256 of the model {}",
            folder.display(),
            exported.sha256
        );
    }
    for (name, evaluation) in [("float", &exported.float), ("as shipped", &exported.shipped)] {
        let mean_iou = evaluation.figures.mean_iou;
        let mean_iou = mean_iou.map_or("-".to_owned(), |mean_iou| format!("{mean_iou:.4}"));
        println!("{name}: mean IoU {mean_iou}");
        print!("{}", table(&evaluation.figures.classes));
    }
    Ok(())
}
