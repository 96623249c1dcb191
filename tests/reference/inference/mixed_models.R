# Reference fits of crossed mixed models: lme4 1.1-31 on R 4.2.2, bobyqa with rhoend 1e-10.
# Run: python mixed_models_data.py && Rscript mixed_models.R > mixed_models.json  (in this folder)
suppressMessages({library(lme4); library(jsonlite)})
d <- read.csv("mixed_models.csv", stringsAsFactors = FALSE)
p <- aggregate(cbind(gain, similarity) ~ intermediate + target, d, mean)
p$centred <- residuals(lm(similarity ~ intermediate + target, p))
cases <- list(
  crossed = list("gain ~ similarity + (1 | intermediate) + (1 | target) + (1 | language)", TRUE, d),
  slopes = list("gain ~ similarity + (1 | intermediate) + (1 + similarity | target) + (1 | target:language)", TRUE, d),
  ml = list("gain ~ similarity + (1 | intermediate) + (1 + similarity | target) + (1 | target:language)", FALSE, d),
  nested = list("gain ~ similarity + size + (1 | intermediate) + (1 | family/language)", TRUE, d),
  independent = list("gain ~ similarity + (1 + similarity || intermediate) + (1 + similarity || target)", TRUE, d),
  factors = list("gain ~ similarity * method + (1 | intermediate) + (1 | target)", TRUE, d),
  no_intercept = list("gain ~ 0 + method + similarity + (1 | intermediate) + (1 | target)", TRUE, d),
  calls = list("gain ~ I(similarity^2) + log(size) + (1 + I(similarity^2) | intermediate) + (1 | target)", TRUE, d),
  level_slopes = list("gain ~ method + method:similarity + (1 | intermediate) + (1 | target)", TRUE, d),
  one_slope_more = list("gain ~ similarity + similarity:method + (1 | intermediate) + (1 | target)", TRUE, d),
  codes = list("gain ~ factor(seed) + similarity + (1 | intermediate) + (1 | target)", TRUE, d),
  unbalanced = list("gain ~ similarity + (1 + similarity | intermediate) + (1 | target:language)", TRUE,
                    d[seq_len(nrow(d)) %% 3 != 0 & d$intermediate != "s0", ]),
  singular = list("gain ~ similarity + (1 | target) + (1 | seed_group) + (1 | intermediate)", TRUE, d),
  pairs = list("gain ~ centred + (1 + centred || intermediate) + (1 + centred || target)", TRUE, p)
)
control <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10, maxfun = 1e6), check.conv.singular = "ignore")
out <- lapply(cases, function(case) {
  m <- lmer(as.formula(case[[1]]), case[[3]], REML = case[[2]], control = control)
  v <- as.data.frame(VarCorr(m)); v <- v[is.na(v$var2), ]
  list(formula = case[[1]], reml = case[[2]], terms = names(fixef(m)), estimate = unname(fixef(m)),
       se = unname(sqrt(diag(as.matrix(vcov(m))))), group = v$grp, column = v$var1, variance = v$vcov,
       log_likelihood = as.numeric(logLik(m)), singular = isSingular(m))
})
cat(toJSON(list(cases = out, pairs = p), digits = 14, auto_unbox = TRUE, na = "null"))
