CREATE TABLE `audit` (
	`sequence` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`id` text NOT NULL,
	`environment` text,
	`at` integer NOT NULL,
	`target` text NOT NULL,
	`entry` text NOT NULL
);
--> statement-breakpoint
CREATE INDEX `audit_by_target` ON `audit` (`target`,`sequence`);--> statement-breakpoint
CREATE TABLE `catalog` (
	`kind` text NOT NULL,
	`environment` text NOT NULL,
	`key` text NOT NULL,
	`definition` text NOT NULL,
	`version` integer NOT NULL,
	`updated_at` integer NOT NULL,
	PRIMARY KEY(`kind`, `environment`, `key`)
);
--> statement-breakpoint
CREATE TABLE `cells` (
	`rollout_id` text NOT NULL,
	`epoch` integer NOT NULL,
	`variant` text NOT NULL,
	`stratum` text NOT NULL,
	`thresholds` integer NOT NULL,
	`columns` integer NOT NULL,
	`buckets` blob NOT NULL,
	`latency` text NOT NULL,
	PRIMARY KEY(`rollout_id`, `epoch`, `variant`, `stratum`)
);
--> statement-breakpoint
CREATE TABLE `conversion_ticks` (
	`rollout_id` text NOT NULL,
	`tick` integer NOT NULL,
	`epoch` integer NOT NULL,
	`variant` text NOT NULL,
	`stratum` text NOT NULL,
	`metric` text NOT NULL,
	`at_risk` integer NOT NULL,
	`converted` integer NOT NULL,
	PRIMARY KEY(`rollout_id`, `tick`, `epoch`, `variant`, `stratum`, `metric`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `conversions` (
	`rollout_id` text NOT NULL,
	`unit` blob NOT NULL,
	`metric` text NOT NULL,
	`run_epoch` integer NOT NULL,
	`at` integer NOT NULL,
	PRIMARY KEY(`rollout_id`, `unit`, `metric`, `run_epoch`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `environments` (
	`name` text PRIMARY KEY NOT NULL,
	`unit_salt` text NOT NULL,
	`ruleset_version` integer NOT NULL,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `event_ids` (
	`environment` text NOT NULL,
	`id` text NOT NULL,
	`at` integer NOT NULL,
	PRIMARY KEY(`environment`, `id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `event_ids_by_time` ON `event_ids` (`at`);--> statement-breakpoint
CREATE TABLE `exposures` (
	`rollout_id` text NOT NULL,
	`unit` blob NOT NULL,
	`epoch` integer NOT NULL,
	`variant` text NOT NULL,
	`stratum` text NOT NULL,
	`at` integer NOT NULL,
	PRIMARY KEY(`rollout_id`, `unit`, `epoch`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `history` (
	`sequence` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`id` text NOT NULL,
	`rollout_id` text NOT NULL,
	`at` integer NOT NULL,
	`entry` text NOT NULL
);
--> statement-breakpoint
CREATE INDEX `history_by_rollout` ON `history` (`rollout_id`,`sequence`);--> statement-breakpoint
CREATE TABLE `idempotency` (
	`key` text PRIMARY KEY NOT NULL,
	`fingerprint` text NOT NULL,
	`status` integer NOT NULL,
	`body` text NOT NULL,
	`at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `idempotency_by_time` ON `idempotency` (`at`);--> statement-breakpoint
CREATE TABLE `judge_memory` (
	`rollout_id` text PRIMARY KEY NOT NULL,
	`state` text NOT NULL,
	`folded_tick` integer NOT NULL,
	`judgement` text
);
--> statement-breakpoint
CREATE TABLE `keys` (
	`id` text PRIMARY KEY NOT NULL,
	`environment` text,
	`kind` text NOT NULL,
	`role` text,
	`name` text NOT NULL,
	`hash` text NOT NULL,
	`hint` text NOT NULL,
	`created_at` integer NOT NULL,
	`last_used_at` integer,
	`revoked_at` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `keys_by_hash` ON `keys` (`hash`);--> statement-breakpoint
CREATE TABLE `outbox` (
	`sequence` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`id` text NOT NULL,
	`environment` text NOT NULL,
	`rollout_key` text,
	`effect` text NOT NULL,
	`created_at` integer NOT NULL,
	`attempts` integer NOT NULL,
	`next_attempt_at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `outbox_by_id` ON `outbox` (`id`);--> statement-breakpoint
CREATE INDEX `outbox_by_time` ON `outbox` (`next_attempt_at`);--> statement-breakpoint
CREATE TABLE `pending_events` (
	`sequence` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`environment` text NOT NULL,
	`unit` text NOT NULL,
	`event` text NOT NULL,
	`at` real NOT NULL,
	`expires_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `pending_by_unit` ON `pending_events` (`environment`,`unit`);--> statement-breakpoint
CREATE INDEX `pending_by_time` ON `pending_events` (`expires_at`);--> statement-breakpoint
CREATE TABLE `reports` (
	`instance` text PRIMARY KEY NOT NULL,
	`seq` integer NOT NULL,
	`at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `reports_by_time` ON `reports` (`at`);--> statement-breakpoint
CREATE TABLE `rollouts` (
	`id` text PRIMARY KEY NOT NULL,
	`environment` text NOT NULL,
	`key` text NOT NULL,
	`definition` text NOT NULL,
	`state` text NOT NULL,
	`version` integer NOT NULL,
	`run_epoch` integer NOT NULL,
	`wake_at` integer,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `rollouts_by_key` ON `rollouts` (`environment`,`key`);--> statement-breakpoint
CREATE INDEX `rollouts_by_wake` ON `rollouts` (`wake_at`);--> statement-breakpoint
CREATE TABLE `ticks` (
	`rollout_id` text NOT NULL,
	`tick` integer NOT NULL,
	`epoch` integer NOT NULL,
	`variant` text NOT NULL,
	`stratum` text NOT NULL,
	`n` integer NOT NULL,
	`failed` integer NOT NULL,
	`exposed` integer NOT NULL,
	`conflicts` integer NOT NULL,
	`thresholds` integer NOT NULL,
	`timed` integer NOT NULL,
	`over` text NOT NULL,
	PRIMARY KEY(`rollout_id`, `tick`, `epoch`, `variant`, `stratum`)
) WITHOUT ROWID;
