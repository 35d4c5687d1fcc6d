//! The examples, run as a reader would.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;

use raremap_io::{FileSource, Zip};
use raremap_scene::{Scene as _, TiffScene};
use raremap_tiff::{GeoTiff, Limits, Window};

fn of_the_project(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn run(command: &mut Command) -> String {
    let output = command.output().expect("starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn a_scene_becomes_a_mask_on_its_own_grid() {
    let folder = tempfile::tempdir().expect("a folder");
    let mask = folder.path().join("mask.tif");
    let scene = of_the_project("web/sample/scene.tif");
    run(Command::new(env!("CARGO_BIN_EXE_segment"))
        .arg(of_the_project("web/models/default.raremap"))
        .args([&scene, &mask]));
    pollster::block_on(async {
        let open = async |path: &Path| {
            GeoTiff::open(FileSource::open(path).expect("a file"), Limits::default())
                .await
                .expect("a GeoTIFF")
        };
        let (scene, mask) = (open(&scene).await, open(&mask).await);
        assert_eq!(mask.info().georeference, scene.info().georeference);
        let [width, height] = [mask.info().width, mask.info().height];
        assert_eq!([width, height], [scene.info().width, scene.info().height]);
        let all = Window {
            x: 0,
            y: 0,
            width,
            height,
        };
        let classes = mask.read_window(all, &[0]).await.expect("reads").values;
        // The sample has water, and land beside it.
        let water = classes.iter().filter(|class| **class == 5.0).count();
        assert!(
            water > classes.len() / 100 && water < classes.len() / 2,
            "{water} pixels of water"
        );
    });
}

/// Answers one request for a range of `file`, and says how many bytes went out.
fn answer(stream: TcpStream, file: &[u8]) -> usize {
    let mut reader = BufReader::new(stream);
    let mut range = None;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) <= 2 {
            break;
        }
        let line = line.trim().to_lowercase();
        if let Some(ends) = line
            .strip_prefix("range: bytes=")
            .and_then(|range| range.split_once('-'))
        {
            let end = |text: &str| text.parse::<usize>().expect("a number");
            range = Some(end(ends.0)..file.len().min(end(ends.1) + 1));
        }
    }
    let range = range.expect("a range is asked for");
    let body = &file[range.clone()];
    let head = format!(
        "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {}-{}/{}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        range.start,
        range.end - 1,
        file.len(),
        body.len()
    );
    let mut stream = reader.into_inner();
    stream
        .write_all(head.as_bytes())
        .and_then(|()| stream.write_all(body))
        .expect("sends");
    let _ = stream.read(&mut [0]);
    body.len()
}

#[test]
fn a_window_over_http_is_the_files_and_takes_a_part_of_it() {
    let path = of_the_project("web/sample/scene.tif");
    let file = std::fs::read(&path).expect("the sample");
    let size = file.len();
    let server = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/scene.tif", server.local_addr().expect("an address"));
    let sent = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = sent.clone();
    std::thread::spawn(move || {
        for stream in server.incoming().flatten() {
            counter.fetch_add(answer(stream, &file), std::sync::atomic::Ordering::SeqCst);
        }
    });
    let printed = run(Command::new(env!("CARGO_BIN_EXE_window_over_http")).args([&url, "10", "20", "3", "2"]));
    let window = Window {
        x: 10,
        y: 20,
        width: 3,
        height: 2,
    };
    let expected = pollster::block_on(async {
        let image = GeoTiff::open(FileSource::open(&path).expect("a file"), Limits::default())
            .await
            .expect("opens");
        image.read_window(window, &[0]).await.expect("reads").values
    });
    let rows: Vec<String> = expected.chunks(3).map(|row| format!("{row:?}")).collect();
    assert_eq!(printed.lines().skip(1).collect::<Vec<_>>(), rows);
    let sent = sent.load(std::sync::atomic::Ordering::SeqCst);
    assert!(sent < size / 2, "{sent} of {size} bytes were fetched");
}

#[test]
fn futures_can_go_to_other_threads_where_the_source_can() {
    fn send<T: Send>(value: T) -> T {
        value
    }
    let open = || FileSource::open(of_the_project("web/sample/scene.tif")).expect("the sample");
    let window = Window {
        x: 1,
        y: 2,
        width: 3,
        height: 4,
    };
    pollster::block_on(async {
        let image = send(GeoTiff::open(open(), Limits::default())).await.expect("opens");
        let samples = send(image.read_window(window, &[0])).await.expect("reads");
        let scene = send(TiffScene::open(open(), Limits::default())).await.expect("opens");
        let same = send(scene.read_window(window, &[0])).await.expect("reads");
        assert_eq!(samples.values, same.values);
        send(scene.read_preview(16, &[0])).await.expect("reads");
        // It is no archive, which takes the same way through the source.
        assert!(send(Zip::open(open())).await.is_err());
    });
}
