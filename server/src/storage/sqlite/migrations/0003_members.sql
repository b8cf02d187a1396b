CREATE TABLE `cohort_members` (
	`environment` text NOT NULL,
	`cohort` text NOT NULL,
	`id` text NOT NULL,
	PRIMARY KEY(`environment`, `cohort`, `id`)
) WITHOUT ROWID;
--> statement-breakpoint
INSERT OR IGNORE INTO `cohort_members` SELECT `catalog`.`environment`, `catalog`.`key`, `listed`.`value` FROM `catalog`, json_each(`catalog`.`definition`, '$.members') AS `listed` WHERE `catalog`.`kind` = 'cohort';--> statement-breakpoint
UPDATE `catalog` SET `definition` = json_set(`definition`, '$.members', json_object('count', (SELECT COUNT(*) FROM `cohort_members` WHERE `cohort_members`.`environment` = `catalog`.`environment` AND `cohort_members`.`cohort` = `catalog`.`key`), 'revision', 'first')) WHERE `kind` = 'cohort' AND json_type(`definition`, '$.members') = 'array';
