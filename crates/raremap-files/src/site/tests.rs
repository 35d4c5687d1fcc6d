use std::fs;
use std::path::Path;

use super::list::{List, MODEL};
use super::*;

const WEIGHTS: &[u8] = include_bytes!("../../../../web/models/default.raremap");
const INDEX_TEXT: &str = "<head><meta name=\"raremap-sample\" content=\"web/sample/scene.tif\" /></head>";
/// As `web/precache.mjs` writes it, with digests of other files.
const SCRIPT: &str = "\
// The page's.
const SITE = /** @type {{version: string}} */ ({\"version\":\"old\",\"files\":{\"./\":\"sha256-a\",\"web/a.js\":\"sha256-b\",\
\"web/models/default.raremap\":\"sha256-c\",\"web/sample/scene.tif\":\"sha256-d\"}});
const ROOT = worker.registration.scope;
";

fn put(folder: &Path, path: &str, text: &str) {
    let path = folder.join(path);
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    fs::write(path, text).expect("writes");
}

fn a_page() -> tempfile::TempDir {
    let temporary = tempfile::tempdir().expect("a folder");
    let files = [
        ("index.html", INDEX_TEXT),
        ("sw.js", SCRIPT),
        ("web/a.js", "a"),
        ("web/a.d.ts", "types of a"),
        (MODEL, "another model"),
        ("web/sample/scene.tif", "scene"),
    ];
    for (path, text) in files {
        put(&temporary.path().join("page"), path, text);
    }
    temporary
}

fn options(folder: &Path) -> SiteOptions {
    SiteOptions {
        page: folder.join("page"),
        sample: true,
    }
}

fn make(folder: &Path, options: &SiteOptions) -> Result<usize, FilesError> {
    Site::prepare(&folder.join("site"), options)?.write(WEIGHTS.to_vec())
}

fn files(folder: &Path) -> Vec<String> {
    let mut files = files_in(&folder.join("site")).expect("a folder");
    files.sort();
    files
}

fn text(folder: &Path, path: &str) -> String {
    fs::read_to_string(folder.join("site").join(path)).expect("a text")
}

#[test]
fn a_site_is_the_page_with_another_model_and_a_list_of_its_digests() {
    let temporary = a_page();
    let folder = temporary.path();
    assert_eq!(make(folder, &options(folder)).expect("a site"), 6);
    let expected = [
        "README.txt",
        "index.html",
        "sw.js",
        "web/a.js",
        MODEL,
        "web/sample/scene.tif",
    ];
    assert_eq!(files(folder), expected);
    assert_eq!(fs::read(folder.join("site").join(MODEL)).expect("a file"), WEIGHTS);
    // The digest of "a", as sha256sum and base64 have it.
    let script = text(folder, "sw.js");
    assert!(
        script.contains("\"web/a.js\":\"sha256-ypeBEsobvcr6wjGzmiPcTaeG7/gUfE5yuYB3ha/uSLs=\""),
        "{script}"
    );
    assert!(script.starts_with("// The page's.\nconst SITE = /** @type {{version: string}} */ ({\"version\":\""));
    assert!(
        script.ends_with("}});\nconst ROOT = worker.registration.scope;\n"),
        "{script}"
    );
    assert!(!script.contains("old") && !script.contains("sha256-c"), "{script}");
    // Nothing is left beside it.
    assert_eq!(fs::read_dir(folder).expect("a folder").count(), 2);
}

#[test]
fn the_version_follows_the_model() {
    let list = List::of(SCRIPT).expect("a list");
    let script = |model: &'static [u8]| list.script([(MODEL, model)].into_iter()).expect("a script");
    assert_eq!(script(b"one"), script(b"one"));
    let version = |script: &str| script.split("\"version\":\"").nth(1).map(|rest| rest[..12].to_owned());
    assert_ne!(version(&script(b"one")), version(&script(b"two")));
}

#[test]
fn the_sample_is_left_out_with_what_offers_it() {
    let temporary = a_page();
    let folder = temporary.path();
    let options = SiteOptions {
        sample: false,
        ..options(folder)
    };
    make(folder, &options).expect("a site");
    assert_eq!(text(folder, "index.html"), "<head></head>");
    assert!(!text(folder, "sw.js").contains("web/sample"));
    assert!(!folder.join("site/web/sample").exists());
    // A page that does not say where its sample is would go on offering it.
    put(folder, "page/index.html", "<head></head>");
    let refused = make(folder, &options).expect_err("no element");
    assert_eq!(refused.code(), "page_invalid");
}

#[test]
fn an_earlier_site_is_replaced_and_nothing_else_is() {
    let temporary = a_page();
    let folder = temporary.path();
    fs::create_dir(folder.join("site")).expect("a folder");
    make(folder, &options(folder)).expect("an empty folder is filled");
    put(folder, "page/web/a.js", "b");
    make(folder, &options(folder)).expect("an earlier site is replaced");
    assert_eq!(text(folder, "web/a.js"), "b");

    put(folder, "site/scenes/mine.tif", "mine");
    let refused = make(folder, &options(folder)).expect_err("a file of the user's");
    assert_eq!(refused.code(), "site_occupied");
    assert!(refused.to_string().contains("scenes/mine.tif"), "{refused}");
    assert_eq!(text(folder, "scenes/mine.tif"), "mine");
    // Neither is another program's folder, even if it has a service worker, nor a file.
    fs::remove_dir_all(folder.join("site")).expect("removes");
    put(folder, "site/sw.js", "self.skipWaiting();");
    assert_eq!(
        make(folder, &options(folder)).expect_err("another's").code(),
        "site_occupied"
    );
    fs::remove_dir_all(folder.join("site")).expect("removes");
    fs::write(folder.join("site"), "a file").expect("writes");
    assert_eq!(
        make(folder, &options(folder)).expect_err("a file").code(),
        "site_occupied"
    );
}

#[test]
fn a_site_that_cannot_be_made_leaves_the_one_before() {
    let temporary = a_page();
    let folder = temporary.path();
    make(folder, &options(folder)).expect("a site");
    let before = text(folder, "sw.js");
    put(folder, "page/web/a.js", "b");
    let site = Site::prepare(&folder.join("site"), &options(folder)).expect("a page");
    let refused = site.write(b"no weights".to_vec()).expect_err("no weights file");
    assert!(refused.code().starts_with("model_"), "{refused}");
    assert_eq!(text(folder, "sw.js"), before);
    // What came into the folder meanwhile is not lost either.
    let site = Site::prepare(&folder.join("site"), &options(folder)).expect("a page");
    put(folder, "site/mine.txt", "mine");
    assert_eq!(
        site.write(WEIGHTS.to_vec()).expect_err("occupied").code(),
        "site_occupied"
    );
    assert_eq!(text(folder, "mine.txt"), "mine");
    assert_eq!(fs::read_dir(folder).expect("a folder").count(), 2);
}

#[test]
fn what_is_not_a_whole_page_is_refused() {
    let refusal = |harm: &dyn Fn(&Path)| {
        let temporary = a_page();
        harm(temporary.path());
        let refused = make(temporary.path(), &options(temporary.path())).expect_err("not a page");
        assert_eq!(refused.code(), "page_invalid", "{refused}");
        assert!(!temporary.path().join("site").exists());
        refused.to_string()
    };
    let missing = refusal(&|folder| fs::remove_dir_all(folder.join("page")).expect("removes"));
    assert!(
        missing.contains("does not exist") && missing.contains("--page"),
        "{missing}"
    );
    assert!(refusal(&|folder| fs::remove_file(folder.join("page/sw.js")).expect("removes")).contains("no sw.js"));
    assert!(
        refusal(&|folder| fs::remove_file(folder.join("page/web/a.js")).expect("removes"))
            .contains("web/a.js is missing")
    );
    // As it is in the repository, before a build.
    assert!(
        refusal(&|folder| put(folder, "page/sw.js", "const SITE = ({ version: \"\", files: {} });\n"))
            .contains("lists no files")
    );
    let outside = refusal(&|folder| put(folder, "page/sw.js", &SCRIPT.replace("web/a.js", "../a.js")));
    assert!(outside.contains("../a.js"), "{outside}");
}
