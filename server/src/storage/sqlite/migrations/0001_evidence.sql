CREATE TABLE `decisions` (
	`history_id` text PRIMARY KEY NOT NULL,
	`rollout_id` text NOT NULL,
	`at` integer NOT NULL,
	`judge` text NOT NULL,
	`evidence` blob NOT NULL
);
--> statement-breakpoint
CREATE INDEX `decisions_by_rollout` ON `decisions` (`rollout_id`);--> statement-breakpoint
CREATE TABLE `observations` (
	`rollout_id` text NOT NULL,
	`tick` integer NOT NULL,
	`epoch` integer NOT NULL,
	`metric` text NOT NULL,
	`arm` text NOT NULL,
	`sum` real NOT NULL,
	`count` integer NOT NULL,
	PRIMARY KEY(`rollout_id`, `tick`, `epoch`, `metric`, `arm`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `slice_exposures` (
	`rollout_id` text NOT NULL,
	`epoch` integer NOT NULL,
	`attribute` text NOT NULL,
	`value` text NOT NULL,
	`variant` text NOT NULL,
	`units` integer NOT NULL,
	PRIMARY KEY(`rollout_id`, `epoch`, `attribute`, `value`, `variant`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `slice_ticks` (
	`rollout_id` text NOT NULL,
	`tick` integer NOT NULL,
	`epoch` integer NOT NULL,
	`variant` text NOT NULL,
	`attribute` text NOT NULL,
	`value` text NOT NULL,
	`n` integer NOT NULL,
	`failed` integer NOT NULL,
	`thresholds` integer NOT NULL,
	`timed` integer NOT NULL,
	`over` text NOT NULL,
	PRIMARY KEY(`rollout_id`, `tick`, `epoch`, `variant`, `attribute`, `value`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `slice_values` (
	`rollout_id` text NOT NULL,
	`attribute` text NOT NULL,
	`value` text NOT NULL,
	PRIMARY KEY(`rollout_id`, `attribute`, `value`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `unit_values` (
	`rollout_id` text NOT NULL,
	`unit` blob NOT NULL,
	`metric` text NOT NULL,
	`epoch` integer NOT NULL,
	`y` real NOT NULL,
	PRIMARY KEY(`rollout_id`, `unit`, `metric`, `epoch`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `value_cells` (
	`rollout_id` text NOT NULL,
	`epoch` integer NOT NULL,
	`metric` text NOT NULL,
	`variant` text NOT NULL,
	`stratum` text NOT NULL,
	`buckets` blob NOT NULL,
	`units` integer NOT NULL,
	`contributing` integer NOT NULL,
	`squares` real NOT NULL,
	PRIMARY KEY(`rollout_id`, `epoch`, `metric`, `variant`, `stratum`)
);
--> statement-breakpoint
ALTER TABLE `cells` ADD `kinds` blob;--> statement-breakpoint
ALTER TABLE `pending_events` ADD `value` real;--> statement-breakpoint
ALTER TABLE `ticks` ADD `kinds` text DEFAULT '{}' NOT NULL;--> statement-breakpoint
UPDATE `rollouts` SET `definition` = json_set(`definition`, '$.slices', json('[]'), '$.checks', json('{"sampleRatio":"pause","missingReports":"pause","bothArms":"pause","tooFewUnits":"hold","staleEvidence":"hold","noData":"hold","sharedIncident":"hold"}')) WHERE json_extract(`definition`, '$.checks') IS NULL;--> statement-breakpoint
UPDATE `rollouts` SET `definition` = json_set(`definition`, '$.metrics', json((SELECT json_group_array(json_set(`value`, '$.better', 'higher')) FROM json_each(`rollouts`.`definition`, '$.metrics')))) WHERE json_array_length(`definition`, '$.metrics') > 0;--> statement-breakpoint
UPDATE `catalog` SET `definition` = json_set(`definition`, '$.better', 'higher') WHERE `kind` = 'metric' AND json_extract(`definition`, '$.better') IS NULL;
