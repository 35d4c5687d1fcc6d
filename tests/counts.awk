# Adds up the tests in the log of a stage of ./test, and prints PASSED FAILED SKIPPED: nextest's summary, rustdoc's results, the totals of
# node's runner, pytest's last line, and lines that start with `skipped:`. In nextest's output, where what a test printed is indented, a test with such a
# line is one that passed without having run.

/^ *Summary \[/ {
  for (i = 2; i <= NF; i++) {
    if ($i ~ /^passed/) passed += $(i - 1)
    if ($i ~ /^failed/ || $i == "timed") failed += $(i - 1)
    if ($i ~ /^skipped/) skipped += $(i - 1)
  }
}
/^    running 1 test$/ { lacks = 0 }
/^    skipped: / { lacks = 1 }
/^    test .* \.\.\. ok$/ {
  if (lacks) { passed--; skipped++ }
  lacks = 0
}
/^skipped: / { skipped++ }
/^test result: / { passed += $4; failed += $6; skipped += $8 }
/^=* ?[0-9]+ (passed|failed|skipped|errors?).* in [0-9.]+s/ {
  for (i = 2; i <= NF; i++) {
    if ($i ~ /^passed/) passed += $(i - 1)
    if ($i ~ /^(failed|errors?)/) failed += $(i - 1)
    if ($i ~ /^skipped/) skipped += $(i - 1)
  }
}
/^# pass [0-9]+$/ { passed += $3 }
/^# (fail|cancelled) [0-9]+$/ { failed += $3 }
END { print passed + 0, failed + 0, skipped + 0 }
