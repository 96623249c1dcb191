# Reference for tests on crossed mixed models: lme4 1.1-31, lmerTest 3.1-3, pbkrtest 0.5.2 on R 4.2.2.
# Run: Rscript mixed_model_tests.R > mixed_model_tests.json  (in this folder, after mixed_models.R)
# df: Satterthwaite's. modes: lme4's ranef. lr: anova of two ML fits, and PBmodcomp with 5,000 simulations.
suppressMessages({library(lmerTest); library(pbkrtest); library(jsonlite)})
d <- read.csv("mixed_models.csv", stringsAsFactors = FALSE)
reference <- fromJSON("mixed_models.json", simplifyVector = FALSE)
control <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10, maxfun = 1e6), check.conv.singular = "ignore")
fit <- function(formula, reml = TRUE) lmer(as.formula(formula), d, REML = reml, control = control)
formulas <- c(
  crossed = "gain ~ similarity + (1 | intermediate) + (1 | target) + (1 | language)",
  slopes = "gain ~ similarity + (1 | intermediate) + (1 + similarity | target) + (1 | target:language)",
  nested = "gain ~ similarity + size + (1 | intermediate) + (1 | family/language)",
  factors = "gain ~ similarity * method + (1 | intermediate) + (1 | target)",
  singular = "gain ~ similarity + (1 | target) + (1 | seed_group) + (1 | intermediate)"
)
df <- lapply(formulas, function(formula) {
  m <- fit(formula); t <- summary(m)$coefficients
  list(formula = formula, terms = rownames(t), df = unname(t[, "df"]), p = unname(t[, "Pr(>|t|)"]))
})
m <- fit(formulas[["slopes"]])
modes <- lapply(ranef(m), function(r) list(levels = rownames(r), columns = names(r), modes = unname(as.matrix(r))))
small <- "gain ~ 1 + (1 | intermediate) + (1 + similarity | target)"
large <- "gain ~ similarity + method + (1 | intermediate) + (1 + similarity | target)"
a <- anova(fit(small, FALSE), fit(large, FALSE))
set.seed(1)
pb <- PBmodcomp(fit(large, FALSE), fit(small, FALSE), nsim = 5000)$test
lr <- list(small = small, large = large, statistic = a$Chisq[2], df = a$Df[2], p = a[["Pr(>Chisq)"]][2],
           bootstrap_p = pb["PBtest", "p.value"])
cat(toJSON(list(df = df, modes = modes, lr = lr), digits = 14, auto_unbox = TRUE))
