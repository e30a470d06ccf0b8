"""The one catalogue of metrics: name, kind, labels, meaning and the operator's remedy. Docs and alerts follow it."""

from __future__ import annotations

from consumer.observe.series import CATALOGUE, FAST, FRESHNESS, GENERATION, Metrics, Spec
from consumer.observe.series import spec as _spec

__all__ = ["CATALOGUE", "FAST", "FRESHNESS", "GENERATION", "Metrics", "Spec"]

RECORDS = _spec(
    "skureel_records_total", "counter", ("role", "topic"), "Records committed.", "Flat while lag grows: see /healthz."
)
SKIPS = _spec(
    "skureel_skipped_records_total",
    "counter",
    ("role", "reason"),
    "Records that needed no work, by reason: stale, unchanged, superseded, duplicate, …",
    "Nothing; a jump in 'duplicate' means that something upstream publishes twice.",
)
DEAD_LETTERS = _spec(
    "skureel_dead_letters_total",
    "counter",
    ("role", "topic", "stage"),
    "Records given up and written to the dead-letter topic.",
    "Read them (skureel deadletters list), mend the cause, then skureel deadletters replay.",
)
OUTPUTS = _spec("skureel_outputs_total", "counter", ("role", "topic"), "Records written and committed.", "None.")
TRANSACTIONS = _spec(
    "skureel_transactions_total",
    "counter",
    ("role", "result"),
    "Commits by result: committed, aborted, rebuilt (the producer had to be made anew).",
    "Aborts outside rebalances: look at the broker and at its transaction log.",
)
TRANSACTION_SECONDS = _spec(
    "skureel_transaction_seconds",
    "histogram",
    ("role",),
    "Time from begin to committed.",
    "Above a second: the broker is slow.",
    FAST,
)
LOOP_SECONDS = _spec(
    "skureel_loop_seconds_total",
    "counter",
    ("role", "activity"),
    "Where the polling thread's time goes: poll, dispatch, backpressure.",
    "Mostly poll: idle. Mostly backpressure: the workers are the limit; add replicas.",
)
IN_FLIGHT = _spec("skureel_in_flight_records", "gauge", ("role",), "Records leased and not committed.", "None.")
OLDEST_UNFINISHED = _spec(
    "skureel_oldest_unfinished_seconds",
    "gauge",
    ("role",),
    "Age of the oldest record taken and not yet committed.",
    "Rising without completions: a stuck worker; see /healthz and the log.",
)
ASSIGNED = _spec("skureel_assigned_partitions", "gauge", ("role",), "Partitions held now.", "0 for long: more replicas "
                 "than partitions, or the group cannot be joined.")  # fmt: skip
REBALANCES = _spec("skureel_rebalances_total", "counter", ("role", "kind"), "Assignments, revocations and losses.",
                   "'lost' means that a member was late: raise kafka.session_timeout or look for stalls.")  # fmt: skip
PAUSED = _spec("skureel_paused", "gauge", ("role", "reason"), "1 while consumption is paused, by reason.",
               "'unavailable': see skureel_outages_total for what is out. 'breaker': see "
               "skureel_breaker_openings_total.")  # fmt: skip
OUTAGES = _spec(
    "skureel_outages_total",
    "counter",
    ("role", "what"),
    "Attempts put off because something needed was out: store, database, registry, broker.",
    "Bring it back; work resumes by itself.",
)
RETRIES = _spec(
    "skureel_retried_records_total",
    "counter",
    ("stage",),
    "Attempts at single records that failed and are made again, by stage: render, or where only this record suffers.",
    "Rising while little fails for good: see the log for the product; it costs a bounded number of attempts.",
)
PARKED = _spec(
    "skureel_put_off_partitions",
    "gauge",
    ("role",),
    "Partitions whose next records wait for something that is out, while others go on.",
    "Not 0 for long: the log names the partition and what is out for it.",
)
BREAKER_OPENINGS = _spec(
    "skureel_breaker_openings_total",
    "counter",
    ("role",),
    "How often so large a share of records became dead letters that consumption was stopped for a while.",
    "Look at what changed last, mend it, then skureel deadletters replay; it tries again by itself.",
)
PLANS = _spec("skureel_plans_total", "counter", ("work",), "Plans made, by the work they ask for; REFUSE: none, "
              "for the words are refused.", "REFUSE: see skureel_prompt_findings_total.")  # fmt: skip
PROMPT_FINDINGS = _spec(
    "skureel_prompt_findings_total",
    "counter",
    ("rule", "severity"),
    "Wording rules found in products' texts, by rule and severity: block, review, warn.",
    "Block and review are in video-rejected too: mend the record, or see `skureel prompt lint --product`.",
)
PLAN_SECONDS = _spec(
    "skureel_plan_batch_seconds", "histogram", (), "Time to plan one batch, database included.", "Slow: see the "
    "database.", FAST
)  # fmt: skip
STAGE_SECONDS = _spec(
    "skureel_stage_seconds",
    "histogram",
    ("stage",),
    "Time in each stage of a clip: photo, render, inspect, encode, dress, splice, upload, announce.",
    "Compare stages; the engine should be the longest.",
    GENERATION,
)
STAGE_WAITING = _spec(
    "skureel_stage_waiting",
    "gauge",
    ("role", "stage"),
    "Requests waiting before a stage of a renderer or dresser: intake, lookup, render, finish.",
    "A queue before 'finish': more renderer.finishers; before 'render': more engines.",
)
RENDERS = _spec(
    "skureel_renders_total",
    "counter",
    ("engine", "result"),
    "Shots given to the engine, by result: ok, failed, cancelled.",
    "Failures: the log names the engine's reason. Cancelled: their partition left, or the process stopped.",
)
ENGINE_SECONDS = _spec("skureel_engine_seconds_total", "counter", ("engine",), "Device time spent.", "None.")
ENGINE_STEPS = _spec(
    "skureel_engine_steps_total",
    "counter",
    ("engine", "stage"),
    "Signs of life of the engine, by stage.",
    "Flat while clips wait: the engine hangs; see skureel_engine_failures_total and the log.",
)
ENGINE_STAGE_SECONDS = _spec(
    "skureel_engine_stage_seconds",
    "histogram",
    ("stage",),
    "Device time of a clip in each of the engine's stages: text, photo, denoise, decode, copy.",
    "Compare stages with skureel bench engine on the same card.",
    GENERATION,
)
ENGINE_MEMORY = _spec(
    "skureel_engine_memory_bytes",
    "gauge",
    ("kind",),
    "Most device memory of the last batch: allocated by the engine, reserved for it.",
    "Near the card's size: a smaller batch or another memory mode.",
)
ENGINE_MFU = _spec(
    "skureel_engine_mfu_ratio",
    "gauge",
    (),
    "Arithmetic of the last batch's denoising as a share of what the card can do.",
    "A fall with the same profile: a throttled card, or somebody else on it.",
)
ENGINE_FAILURES = _spec(
    "skureel_engine_failures_total",
    "counter",
    ("engine", "reason"),
    "Shots without frames: refused (for good), retryable, timeout, hang, crash, start, broken.",
    "Hangs and crashes: look at the card (temperature, ECC, driver log). Timeouts: raise the limit or make it faster.",
)
ENGINE_RESTARTS = _spec(
    "skureel_engine_restarts_total",
    "counter",
    ("reason",),
    "Engine processes given up for a new one, by reason: hang, timeout, crash, start.",
    "More than now and then: the log has the stacks of the process that hung.",
)
CLIPS = _spec(
    "skureel_clips_total",
    "counter",
    ("work",),
    "Clips announced, by the work that was needed: RENDER, DRESS, SPLICE, NONE, RETIRE.",
    "None.",
)
REJECTED = _spec(
    "skureel_rejected_clips_total",
    "counter",
    ("check",),
    "Clips that failed inspection for good, by check.",
    "A spike: look at the quarantined clips and at what changed in the templates.",
)
REJECTIONS = _spec(
    "skureel_rejections_total",
    "counter",
    ("action",),
    "Requests that ended as video-rejected: reject (the inspection is sure), review (a person is to decide).",
    "See `skureel review list`, and what changed in the templates.",
)
INSPECTIONS = _spec("skureel_inspections_total", "counter", ("result",), "Inspections: passed, failed.", "None.")
ATTEMPTS = _spec(
    "skureel_attempts_total",
    "counter",
    ("rung", "result"),
    "Base clips rendered and inspected, by the way they were made (planned, calm, pan) and result: accepted, rejected.",
    "Many rejected on 'planned': look at video-rejected and at the templates.",
)
ATTEMPTS_NEEDED = _spec(
    "skureel_clip_attempts",
    "histogram",
    (),
    "Renders that an accepted clip took, those that were rejected before it included.",
    "Rising: the same as many rejected in skureel_attempts_total.",
    (1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0),
)
REJECTED_SECONDS = _spec(
    "skureel_rejected_engine_seconds_total",
    "counter",
    ("rung",),
    "Device time of attempts that failed inspection. Device time an accepted clip: skureel_engine_seconds_total over "
    "the count of skureel_clip_attempts.",
    "A growing share of skureel_engine_seconds_total: as for skureel_attempts_total.",
)
TEMPLATE_BREAKER = _spec(
    "skureel_template_breaker_open",
    "gauge",
    ("template",),
    "1 while a template version is out of use because its clips are rejected far more often than usual.",
    "Look at its rejected clips, mend the template and raise its version; it is tried again by itself.",
)
TEMPLATE_OPENINGS = _spec(
    "skureel_template_breaker_openings_total",
    "counter",
    ("template",),
    "How often a template version was taken out of use.",
    "As for skureel_template_breaker_open.",
)
TEMPLATE_PASSED_OVER = _spec(
    "skureel_template_passed_over_total",
    "counter",
    ("template",),
    "Clips that were not rendered as planned because their template version was out of use.",
    "They went to the next of renderer.fallbacks, or were rejected.",
)
UNLABELLED = _spec(
    "skureel_unlabelled_publish_total",
    "counter",
    (),
    "Generated clips that were about to go out without their labels, and were stopped.",
    "Must stay 0: a fault in the label step.",
)
FALLBACKS = _spec(
    "skureel_fallbacks_total",
    "counter",
    ("kind",),
    "Clips made another way than planned: photo (from words alone), storyboard (drawn, without a model) where a photo "
    "is not to be had; calm (simpler motion), pan (drawn) where inspection rejected what was planned.",
    "For photo and storyboard check the image addresses of the catalog; for calm and pan see skureel_attempts_total.",
)
FRESHNESS_SECONDS = _spec(
    "skureel_freshness_seconds",
    "histogram",
    (),
    "Time from a clip's request to its announcement.",
    "Rising: see the queue (lag) and the stages.",
    FRESHNESS,
)
SAVED_SECONDS = _spec(
    "skureel_saved_engine_seconds_total",
    "counter",
    ("work",),
    "Device time that announced clips did not need because a layer of theirs was stored, by the work that was done "
    "instead: what their base clips once took.",
    "None.",
)
HAND_OVERS = _spec(
    "skureel_handed_over_requests_total",
    "counter",
    ("reason",),
    "Requests that a dresser gave to the renderers: base (its base clip is not stored), photo (not to be had).",
    "Many 'base': base clips are deleted while promotions still need them. 'photo': see renderer.photo_hosts.",
)
STORE_SECONDS = _spec("skureel_store_seconds", "histogram", ("operation",), "Time of store calls.", "Slow: see the "
                      "store.", FAST)  # fmt: skip
STORE_BYTES = _spec("skureel_store_bytes_total", "counter", ("operation",), "Bytes to and from the store.", "None.")
PROGRESS = _spec("skureel_last_progress_timestamp_seconds", "gauge", ("role",), "When something was last committed or "
                 "nothing waited, Unix time.", "Far in the past: stuck; see /healthz.")  # fmt: skip
BUILD_INFO = _spec("skureel_build_info", "gauge", ("version", "engine"), "Always 1.", "None.")
PROMOS = _spec(
    "skureel_promos_total",
    "counter",
    ("phase",),
    "Promos that entered a phase, by event or by the clock: WAITING, RUNNING, OVER.",
    "None.",
)
FAN_OUTS = _spec(
    "skureel_fan_outs_pending",
    "gauge",
    (),
    "Fan-outs of promos that are not finished, of all planners.",
    "Not falling: see `skureel promo status`, the planners and the database.",
)
FAN_OUT_LEFT = _spec(
    "skureel_fan_out_left_products",
    "gauge",
    (),
    "Products that pending fan-outs have still to look at, as far as they were counted.",
    "Falls slowly: the database or the broker is the limit; more planners share the work on PostgreSQL.",
)
FAN_OUT_PRODUCTS = _spec(
    "skureel_fan_out_products_total",
    "counter",
    ("result",),
    "Products that fan-outs looked at, by what they came to: RENDER, DRESS, SPLICE, UNCHANGED, FAILED.",
    "FAILED: the log names product and reason; it keeps its clip until its own event is mended.",
)
FAN_OUT_PAGE_SECONDS = _spec(
    "skureel_fan_out_page_seconds",
    "histogram",
    (),
    "Time to work one page of a fan-out, database included: how long new products wait behind it.",
    "Above a tenth of a second: see the database, or lower planner.page.",
    FAST,
)
HELD_PLANS = _spec(
    "skureel_held_plans_total",
    "counter",
    (),
    "Plans of the long tail that were kept without a request.",
    "None; set planner.long_tail to 'now' to have such clips made at once.",
)
