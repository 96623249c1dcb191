# crossed_model.R ROWS.csv FORMULA: fits the crossed model, prints CPU and wall seconds, slope, its standard error, REML
# log-likelihood.
suppressPackageStartupMessages(library(lme4))
rows <- read.csv(commandArgs(TRUE)[1], stringsAsFactors = TRUE)
formula <- as.formula(commandArgs(TRUE)[2])
invisible(lmer(y ~ x + (1 | a) + (1 | b), rows[seq(1, nrow(rows), length.out = 2000), ]))  # R compiles a function when it is first used
seconds <- system.time(fit <- lmer(formula, rows))
slope <- summary(fit)$coefficients["x", ]
cat(sum(seconds[1:2]), seconds[3], format(c(slope[1:2], logLik(fit)), digits = 15), "\n")
